import { chmodSync, chownSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { libfaketime } from '../../testbed/fake-time.ts';
import type { Lab, Lift } from '../lab.ts';
import { addresses } from '../network.ts';
import type { Scenario } from '../scenario.ts';
import { makeSelfSigned } from '../self-signed.ts';
import { middlebox } from './connectivity.ts';

const certificateExpired = 1000;
const fallback = 1002;
const clockWrong = 1006;
const identityChanged = 1005;
const tunnelRefused = 2001;
const tunnelFailed = 2002;
const connectorStopped = 4002;
const untouched = /untouched|exempt/i;

/** Faults between the connector and the service's trust in it: inspectors, clocks, certificates and their files. */
export const trustScenarios: readonly Scenario[] = [
  {
    name: 'an inspector opens TLS',
    lay: lab => inspector(lab),
    verdict: {
      exitCode: 20,
      check: 'trust.tunnel-chain',
      cause: /TLS is opened on the way: .*issued by "mitmproxy"/,
      remedy: untouched,
    },
    provoke: lab => lab.relaunch(),
    event: tunnelFailed,
  },
  {
    name: 'something on the way ends TLS and offers 1.1 only',
    lay: lab => middlebox(lab, 'tls-1.1'),
    verdict: { exitCode: 20, check: 'trust.tls-1.2', cause: /does not offer TLS 1\.2/, remedy: untouched },
    provoke: lab => lab.relaunch(),
    event: tunnelFailed,
  },
  {
    name: 'something objects to SHA-512 signatures of client certificates',
    lay: lab => middlebox(lab, 'no-sha512'),
    verdict: {
      exitCode: 0,
      check: 'trust.client-certificate-1.2',
      status: 'warning',
      cause: /objects to client certificates with a SHA-512 signature in TLS 1\.2; one with SHA-256 passes/,
      remedy: /SHA-512/,
    },
  },
  {
    name: 'something cuts TLS 1.2',
    lay: lab => middlebox(lab, 'no-tls-1.2'),
    verdict: {
      exitCode: 0,
      check: 'trust.tls-1.2',
      status: 'warning',
      cause: /TLS 1\.2 was cut off.*works with TLS 1\.3/,
      remedy: untouched,
    },
  },
  {
    name: 'something cuts TLS 1.3',
    lay: lab => middlebox(lab, 'no-tls-1.3'),
    verdict: { exitCode: 20, check: 'trust.tls-1.3', cause: /TLS 1\.3 was cut off/, remedy: untouched },
    provoke: lab => lab.relaunch(),
    event: tunnelFailed,
  },
  {
    name: 'something cuts every connection at its first byte',
    lay: lab => middlebox(lab, 'cutting'),
    verdict: { exitCode: 20, check: 'trust.tls-1.3', cause: /was cut off/, remedy: untouched },
    provoke: lab => lab.relaunch(),
    event: tunnelFailed,
  },
  {
    name: 'the clock is three days ahead',
    lay: () => () => {},
    diagnose: lab => lab.doctor([], { prefix: atAnotherTime('+3d') }),
    verdict: { exitCode: 20, check: 'trust.clock', cause: /clock is .*ahead/, remedy: /Set the clock/ },
    provoke: lab => lab.relaunch(atAnotherTime('+3d')),
    event: clockWrong,
    recover: lab => lab.startConnector(),
  },
  {
    name: 'the clock is five hours behind',
    lay: () => () => {},
    diagnose: lab => lab.doctor([], { prefix: atAnotherTime('-5h') }),
    verdict: {
      exitCode: 0,
      check: 'trust.clock',
      status: 'warning',
      cause: /Tunnels work, since certificates are valid from 48 hours before/,
      remedy: /Set the clock/,
    },
    provoke: lab => lab.relaunch(atAnotherTime('-5h')),
    event: clockWrong,
    recover: lab => lab.startConnector(),
  },
  {
    name: 'the thumbprint in the trust settings is another',
    lay: lab => edit(trustSettings(lab), text => text.replace(/[0-9A-F]{40}/, 'AB'.repeat(20))),
    verdict: {
      exitCode: 20,
      check: 'trust.store',
      cause: /Neither store holds the certificate (AB){20}/,
      remedy: /postern connector certificates/,
    },
    provoke: lab => lab.relaunch(),
    event: fallback,
  },
  {
    name: 'the trust settings name the wrong store',
    lay: lab => edit(trustSettings(lab), text => text.replace('>false<', '>true<')),
    verdict: {
      exitCode: 20,
      check: 'trust.store',
      cause: /is in the machine store/,
      remedy: /Set IsInUserStore to false/,
    },
    provoke: lab => lab.relaunch(),
    event: fallback,
  },
  {
    name: 'the trust settings are no XML',
    lay: lab => edit(trustSettings(lab), () => 'not a word of XML'),
    verdict: {
      exitCode: 20,
      check: 'trust.settings',
      cause: /TrustSettings/,
      remedy: /postern connector register|backup/,
    },
    provoke: lab => lab.relaunch(),
    event: fallback,
  },
  {
    name: 'the trust settings are gone',
    lay: lab => away(trustSettings(lab)),
    verdict: {
      exitCode: 20,
      check: 'trust.settings',
      cause: /There is no .*TrustSettings\.xml/,
      remedy: /register/,
    },
    provoke: lab => lab.relaunch(),
    event: fallback,
  },
  {
    name: 'the certificate is gone',
    lay: lab => away(pair(lab, 'pem')),
    verdict: { exitCode: 20, check: 'trust.store', cause: /Neither store holds/, remedy: /register/ },
  },
  {
    name: 'the private key is gone',
    lay: lab => away(pair(lab, 'key')),
    verdict: {
      exitCode: 20,
      check: 'trust.key',
      cause: /private key .* is missing/,
      remedy: /register|backup/,
    },
  },
  {
    name: 'the private key is another',
    lay: lab => edit(pair(lab, 'key'), () => lab.anotherKey()),
    verdict: { exitCode: 20, check: 'trust.key', cause: /not that of the certificate/, remedy: /backup/ },
  },
  {
    name: 'others may read the private key',
    lay: lab => mode(pair(lab, 'key'), 0o644),
    verdict: { exitCode: 20, check: 'trust.permissions', cause: /permissions 644/, remedy: /chmod 600/ },
  },
  {
    name: 'the private key belongs to somebody else',
    lay: lab => owner(pair(lab, 'key'), 65_534),
    verdict: { exitCode: 20, check: 'trust.permissions', cause: /belongs to uid 65534/, remedy: /chown/ },
  },
  {
    name: 'the service has another authority than at registration',
    lay: lab => edit(path.join(lab.dataDir, 'Config/service.json'), withOtherAnchors),
    verdict: {
      exitCode: 20,
      check: 'trust.tunnel-chain',
      cause: /has another authority than when this connector was registered/,
      remedy: /register/,
    },
    event: identityChanged,
  },
  {
    name: 'before registration: nobody trusts the certificate of the service',
    lay: () => () => {},
    diagnose: lab =>
      lab.doctor(['--data', lab.blankDir, '--service', 'lab.test', '--ca-file', otherAuthority(lab)]),
    verdict: {
      exitCode: 20,
      check: 'trust.public-chain',
      cause: /which this machine does not trust/,
      remedy: /--ca-file|enrolment token/,
    },
  },
  {
    name: 'the connector was off until its certificate had expired',
    async lay(lab) {
      await lab.age(181);
      await lab.relaunch();
      return () => {};
    },
    verdict: {
      exitCode: 20,
      check: 'trust.validity',
      cause: /expired/,
      remedy: /postern connector register/,
    },
    event: certificateExpired,
    recover: lab => lab.registerAgain(),
  },
  {
    name: 'the connector does not run',
    async lay(lab) {
      await lab.stopConnector();
      return () => lab.startConnector();
    },
    verdict: {
      exitCode: 40,
      check: 'machine.process',
      cause: /registered and not running/,
      remedy: /postern connector (start|run)/,
    },
    event: connectorStopped,
  },
];

/** Comes last: what was revoked comes back by a new registration only. */
export const revocationScenario: Scenario = {
  name: 'the connector is revoked',
  async lay(lab) {
    await lab.revoke();
    return () => {};
  },
  verdict: { exitCode: 20, check: 'trust.accepted', cause: /revoked/, remedy: /postern connector register/ },
  event: tunnelRefused,
  recover: lab => lab.register(),
};

/** What starts a program with a clock that is off. */
function atAnotherTime(offset: string): string[] {
  return ['env', `LD_PRELOAD=${libfaketime()}`, `FAKETIME=${offset}`];
}

function trustSettings(lab: Lab): string {
  return path.join(lab.dataDir, 'Config/TrustSettings.xml');
}

function pair(lab: Lab, extension: string): string {
  const thumbprint = /[0-9A-F]{40}/.exec(readFileSync(trustSettings(lab), 'utf8'))![0];
  return path.join(lab.dataDir, 'certificates/machine', `${thumbprint}.${extension}`);
}

function edit(file: string, change: (text: string) => string): Lift {
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, change(text));
  return () => writeFileSync(file, text);
}

function away(file: string): Lift {
  renameSync(file, `${file}.away`);
  return () => renameSync(`${file}.away`, file);
}

function withOtherAnchors(text: string): string {
  return JSON.stringify({
    ...JSON.parse(text),
    anchors: [makeSelfSigned('Another Authority').cert.toString()],
  });
}

function otherAuthority(lab: Lab): string {
  const file = path.join(lab.network.folder, 'other-authority.pem');
  writeFileSync(file, makeSelfSigned('Another Authority').cert);
  return file;
}

function mode(file: string, wanted: number): Lift {
  const before = statSync(file).mode;
  chmodSync(file, wanted);
  return () => chmodSync(file, before);
}

function owner(file: string, uid: number): Lift {
  const before = statSync(file);
  chownSync(file, uid, uid);
  return () => chownSync(file, before.uid, before.gid);
}

/** mitmproxy, as companies inspect TLS: it shows a certificate of its own authority for every name. */
async function inspector(lab: Lab): Promise<Lift> {
  const port = 8443;
  const stop = await lab.onFirewall(
    [
      'mitmdump',
      ...['--mode', 'transparent', '--listen-host', addresses.gateway],
      ...[
        '--listen-port',
        String(port),
        '--ssl-insecure',
        '--set',
        `confdir=${lab.network.folder}/mitmproxy`,
      ],
    ],
    'listening at',
  );
  const undivert = lab.divert(443, port);
  return async () => {
    await undivert();
    await stop();
  };
}
