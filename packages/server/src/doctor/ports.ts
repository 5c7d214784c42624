import { failed, notRun, type Outcome, passed, warning } from '@postern/protocol/doctor/check';
import { formatEndpoint } from '../config/schema.ts';
import type { ServiceCheck, ServiceContext } from './context.ts';
import { reachable, tryConnection } from './listener.ts';
import { lookFromOutside } from './outside.ts';

/** Longer than a connector's doctor takes in the worst case. */
const outsideLimitMs = 45_000;

/** The ports of the service, on this machine and from outside. */
export const portChecks: readonly ServiceCheck[] = [
  {
    id: 'ports.listening',
    title: 'The service listens where the configuration says',
    otherwise: 'Nobody can connect: the service does not run, or another program has the port.',
    limitMs: 12_000,
    run: context => tryListeners(context),
  },
  {
    id: 'ports.outside-names',
    title: 'A connector on another machine finds the names of the service',
    otherwise: 'The public name servers do not know them: nobody outside does.',
    limitMs: outsideLimitMs,
    run: (context, signal) => relay(context, signal, 'connectivity.names', 'failed'),
  },
  {
    id: 'ports.outside-443',
    title: 'The public port takes connections from a connector on another machine',
    otherwise: 'A firewall before the service drops or rejects them, or forwards them elsewhere.',
    limitMs: outsideLimitMs,
    run: (context, signal) => relay(context, signal, 'connectivity.tcp-443', 'failed'),
  },
  {
    id: 'ports.outside-80',
    title: 'Port 80 takes connections from a connector on another machine',
    otherwise:
      'A warning: the list of revoked certificates and the plain half of the port check page are not reached, and nobody who types a name without https is led to it.',
    limitMs: outsideLimitMs,
    run: (context, signal) => relay(context, signal, 'connectivity.tcp-80', 'warning'),
  },
];

async function tryListeners({ config, running, runningProblem }: ServiceContext): Promise<Outcome> {
  const endpoints = [...config.listen.https, ...config.listen.http].map(reachable);
  const tries = await Promise.all(
    endpoints.map(async endpoint => ({
      endpoint: formatEndpoint(endpoint),
      problem: await tryConnection(endpoint).then(
        () => '',
        (error: Error) => error.message,
      ),
    })),
  );
  const bad = tries.filter(one => one.problem !== '');
  const observation = {
    tried: `connections to ${tries.map(one => one.endpoint).join(', ')}`,
    seen: bad.length === 0 ? 'all are taken' : bad.map(one => `${one.endpoint}: ${one.problem}`).join('; '),
    command: 'ss -ltnp',
  };
  if (bad.length === 0 && running !== null) return passed(observation);
  if (bad.length === 0) {
    return failed(
      observation,
      `The ports take connections, and the service behind them does not answer (${runningProblem}): another program has them, or the service is about to start.`,
      'See which program listens (`ss -ltnp`), and read the log of the service (`journalctl -u postern`).',
    );
  }
  if (running === null) {
    return failed(
      observation,
      `The service does not run: ${runningProblem}.`,
      'Start it (`systemctl start postern.service`, or `postern serve`), and read in its log why it ended (`journalctl -u postern`).',
    );
  }
  return failed(
    observation,
    `Nobody takes connections at ${bad.map(one => one.endpoint).join(', ')}, though the service runs.`,
    'Was the option listen changed? Then run `postern service install` again, or restart the service. Does this machine have that address?',
  );
}

/** Says what a connector's own check has seen of the way to this service. */
async function relay(
  context: ServiceContext,
  signal: AbortSignal,
  id: string,
  worst: 'failed' | 'warning',
): Promise<Outcome> {
  const view = await lookFromOutside(context, signal);
  if ('missing' in view) {
    return notRun(
      `${view.missing} By hand, from a machine outside: curl -v https://login.${context.config.domain}${context.config.publicPort === 443 ? '' : `:${context.config.publicPort}`}/`,
    );
  }
  const result = view.report.results.find(one => one.id === id);
  if (result === undefined || result.status === 'not_run') {
    return notRun(
      `The connector ${view.connector} could not look: ${result?.cause ?? 'it knows no such check'}`,
    );
  }
  const observation = {
    tried: `${result.tried}, by the connector ${view.connector} (${view.address})`,
    seen: result.seen,
    command: result.command,
  };
  if (result.status === 'passed') return passed(observation);
  const remedy = `If other networks fail in the same way: let the firewall before this service pass inbound connections and forward them here. If it is that network alone, there: ${result.remedy}`;
  const say = worst === 'failed' && result.status === 'failed' ? failed : warning;
  return say(observation, `Seen from ${view.connector}: ${result.cause}`, remedy);
}
