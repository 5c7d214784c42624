import type { Lab, Lift } from '../lab.ts';
import { addresses, writeHosts, writeResolver } from '../network.ts';
import type { Scenario } from '../scenario.ts';

const check = 'connectivity.tcp-443';
const tunnelFailed = 2002;
const tunnelLost = 2003;
const letPass = /outbound TCP port 443 .*connect\.lab\.test.*No inbound port is needed/;

const saysNothing = /takes connections and then says nothing/;
const mtu = /path MTU|untouched/;

/** Faults of the way to the service: firewalls, names, proxies. */
export const connectivityScenarios: readonly Scenario[] = [
  {
    name: 'the firewall drops port 443',
    lay: lab => lab.forwarding('tcp dport 443 drop'),
    verdict: { exitCode: 10, check, cause: /get no answer: a firewall drops them/, remedy: letPass },
    event: tunnelLost,
  },
  {
    name: 'the firewall answers port 443 with resets',
    lay: lab => lab.forwarding('tcp dport 443 reject with tcp reset'),
    verdict: { exitCode: 10, check, cause: /are refused: a firewall rejects them/, remedy: letPass },
    event: tunnelLost,
  },
  {
    name: 'the firewall says that port 443 is prohibited',
    lay: lab => lab.forwarding('tcp dport 443 reject with icmp type admin-prohibited'),
    verdict: { exitCode: 10, check, cause: /EHOSTUNREACH|EACCES|unreachable/, remedy: letPass },
    event: tunnelLost,
  },
  {
    name: 'the firewall drops port 80',
    lay: lab => lab.forwarding('tcp dport 80 drop'),
    verdict: {
      exitCode: 0,
      check: 'connectivity.tcp-80',
      status: 'warning',
      cause: /Port 80 is blocked\. What is lost: the revocation list/,
      remedy: /TCP port 80 to connect\.lab\.test/,
    },
  },
  {
    name: 'the firewall rejects port 80',
    lay: lab => lab.forwarding('tcp dport 80 reject'),
    verdict: {
      exitCode: 0,
      check: 'connectivity.tcp-80',
      status: 'warning',
      cause: /Port 80 is blocked/,
      remedy: /TCP port 80/,
    },
  },
  {
    name: 'ports 443 and 80 are dropped',
    lay: lab => lab.forwarding('tcp dport { 80, 443 } drop'),
    verdict: { exitCode: 10, check, cause: /get no answer/, remedy: letPass },
    event: tunnelLost,
  },
  {
    name: 'what follows the first packets is dropped',
    lay: lab => lab.forwarding('tcp dport 443 meta length > 200 drop'),
    verdict: {
      exitCode: 10,
      check: 'connectivity.registration',
      cause: saysNothing,
      remedy: mtu,
    },
    provoke: lab => lab.relaunch(),
    event: tunnelFailed,
  },
  {
    name: 'one packet of twenty is lost',
    lay: lab => lab.forwarding('meta l4proto tcp numgen random mod 100 < 5 drop'),
    verdict: null,
  },
  {
    name: 'the line carries 256 kbit/s',
    lay: lab => lab.shape('tbf rate 256kbit burst 16kb latency 400ms'),
    verdict: null,
  },
  {
    name: 'the path stalls in the middle of a handshake',
    lay: lab => middlebox(lab, 'stalling-handshake'),
    provoke: lab => lab.relaunch(),
    verdict: { exitCode: 10, check: 'connectivity.registration', cause: saysNothing, remedy: mtu },
    event: tunnelFailed,
  },
  {
    name: 'the path stalls while a tunnel is up',
    lay: lab => stall(lab),
    verdict: { exitCode: 10, check: 'connectivity.registration', cause: saysNothing, remedy: mtu },
    event: tunnelLost,
  },
  {
    name: 'the path stalls for five seconds while a tunnel is up',
    lay: lab => stall(lab, 5_000),
    verdict: null,
    noEvent: tunnelLost,
  },
  {
    name: 'everything comes a fifth of a second later, each way',
    lay: lab => middlebox(lab, 'late'),
    provoke: lab => lab.startConnector(),
    verdict: null,
  },
  {
    name: 'before registration: the firewall drops port 443',
    lay: lab => lab.forwarding('tcp dport 443 drop'),
    diagnose: lab => lab.doctor(['--data', lab.blankDir, '--service', 'lab.test']),
    verdict: { exitCode: 10, check, cause: /get no answer/, remedy: letPass },
  },
  {
    name: 'the name server knows no name of the service',
    lay: lab => nameServer(lab, 'unknown'),
    verdict: {
      exitCode: 10,
      check: 'connectivity.names',
      cause: /do not know connect\.lab\.test/,
      remedy: /resolve \*\.lab\.test/,
    },
    provoke: lab => lab.relaunch(),
    event: tunnelFailed,
  },
  {
    name: 'the name server is silent',
    lay: lab => nameServer(lab, 'silent'),
    verdict: {
      exitCode: 10,
      check: 'connectivity.names',
      cause: /name servers of this machine did not answer/,
      remedy: /resolv\.conf/,
    },
    provoke: lab => lab.relaunch(),
    event: tunnelFailed,
  },
  {
    name: 'the name server lies, and nobody listens there',
    lay: lab => nameServer(lab, 'lying'),
    verdict: { exitCode: 10, check, cause: /are refused/, remedy: letPass },
    provoke: lab => lab.relaunch(),
    event: tunnelFailed,
  },
  {
    name: 'a login page of the network answers in the place of the service',
    lay: lab => middlebox(lab, 'captive-portal'),
    verdict: {
      exitCode: 10,
      check: 'connectivity.discovery',
      cause: /is not this service: a login page of the network/,
      remedy: /in a browser on this machine/,
    },
    provoke: lab => lab.relaunch(),
    event: tunnelFailed,
  },
  {
    name: 'the proxy wants a password',
    lay: lab => proxy(lab, 'basic'),
    verdict: {
      exitCode: 10,
      check: 'connectivity.proxy-connect',
      cause: /authentication|407|user/i,
      remedy: /outboundProxy|password/i,
    },
    provoke: lab => lab.relaunch(),
    event: tunnelFailed,
    recover: lab => lab.startConnector(),
  },
  {
    name: 'the proxy offers NTLM only',
    lay: lab => proxyOf(lab, 'ntlm-proxy'),
    verdict: {
      exitCode: 10,
      check: 'connectivity.proxy-connect',
      cause: /NTLM/,
      remedy: /Basic|Digest|exempt|allow/i,
    },
    provoke: lab => lab.relaunch(),
    event: tunnelFailed,
    recover: lab => lab.startConnector(),
  },
  {
    name: 'the proxy refuses CONNECT',
    lay: lab => proxy(lab, 'closed'),
    verdict: {
      exitCode: 10,
      check: 'connectivity.proxy-connect',
      cause: /refuses CONNECT to this name \(403\)/,
      remedy: /443/,
    },
    provoke: lab => lab.relaunch(),
    event: tunnelFailed,
    recover: lab => lab.startConnector(),
  },
  {
    name: 'the proxy does not reach the service',
    lay: lab => proxyOf(lab, 'lost-proxy'),
    verdict: {
      exitCode: 10,
      check: 'connectivity.proxy-connect',
      cause: /does not reach the service itself \(503\)/,
      remedy: /./,
    },
    provoke: lab => lab.relaunch(),
    event: tunnelFailed,
    recover: lab => lab.startConnector(),
  },
  {
    name: 'the proxy is no proxy',
    lay: lab => proxyOf(lab, 'garbled-proxy'),
    verdict: { exitCode: 10, check: 'connectivity.proxy-connect', cause: /./, remedy: /./ },
    provoke: lab => lab.relaunch(),
    event: tunnelFailed,
    recover: lab => lab.startConnector(),
  },
  {
    name: 'nobody listens where the proxy is said to be',
    lay: lab => settings(lab, { outboundProxy: `http://${addresses.gateway}:3129` }),
    verdict: { exitCode: 10, check: 'connectivity.proxy-connect', cause: /3129/, remedy: /./ },
    provoke: lab => lab.relaunch(),
    event: tunnelFailed,
    recover: lab => lab.startConnector(),
  },
  {
    name: "the proxy's setting cannot be read",
    lay: lab => settings(lab, { outboundProxy: 'ftp://proxy' }),
    verdict: { exitCode: 10, check: 'connectivity.proxy-settings', cause: /kind ftp:\/\//, remedy: /./ },
  },
];

/**
 * Puts a relay before the service, has the connector open its tunnels through it, and lets it hold everything. When it
 * is lifted the same tunnels, or new ones over the same path, have to go on before the relay is taken away.
 *
 * @param goesOnAfterMs Without it, the path stays as it is until it is lifted.
 */
async function stall(lab: Lab, goesOnAfterMs?: number): Promise<Lift> {
  const relay = await lab.relay();
  await lab.startConnector();
  relay.turn();
  if (goesOnAfterMs !== undefined) {
    await new Promise(resolve => setTimeout(resolve, goesOnAfterMs));
    relay.turn();
  }
  return async () => {
    if (goesOnAfterMs === undefined) relay.turn();
    await lab.untilConnected().finally(() => relay.end());
  };
}

/** Lets machines ask a name server of the lab, who answers in its own way, in place of knowing the names. */
async function nameServer(lab: Lab, kind: string): Promise<Lift> {
  const stop = await lab.onFirewall(
    [process.execPath, `${import.meta.dirname}/../name-server.ts`, kind],
    'ready',
  );
  writeHosts(lab.network, []);
  writeResolver(lab.network, addresses.gateway);
  return async () => {
    writeHosts(lab.network);
    writeResolver(lab.network, '127.0.0.1');
    await stop();
  };
}

/** Leads connections to the service to something else on the firewall. */
export async function middlebox(lab: Lab, kind: string, port = 8443): Promise<Lift> {
  const stop = await lab.middlebox(kind, port);
  const undivert = lab.divert(443, port);
  return async () => {
    await undivert();
    await stop();
  };
}

/** Settings of the connector's machine, as `Config/connector.json` has them. */
export function settings(lab: Lab, given: Record<string, unknown>): Lift {
  lab.writeSettings(given);
  return () => lab.writeSettings(null);
}

async function proxyOf(lab: Lab, kind: string): Promise<Lift> {
  const stop = await lab.middlebox(kind, 3128);
  const forget = settings(lab, { outboundProxy: `http://${addresses.gateway}:3128` });
  return async () => {
    await forget();
    await stop();
  };
}

async function proxy(lab: Lab, kind: 'basic' | 'closed'): Promise<Lift> {
  const stop = await lab.squid(
    kind === 'basic' ? { authentication: 'basic', connectPorts: [443] } : { connectPorts: [8_080] },
  );
  const forget = settings(lab, { outboundProxy: `http://${addresses.gateway}:3128` });
  return async () => {
    await forget();
    await stop();
  };
}
