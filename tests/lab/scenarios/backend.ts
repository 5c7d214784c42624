import type { Lab, Lift } from '../lab.ts';
import { addresses } from '../network.ts';
import type { Scenario } from '../scenario.ts';
import { settings } from './connectivity.ts';

const backendFailed = 3001;
const dialRefused = 3002;

/** Faults of what is published, as the connector sees it. */
export const backendScenarios: readonly Scenario[] = [
  {
    name: 'nobody listens at the backend',
    lay: lab => lab.publish(`http://${addresses.connector}:9/`),
    verdict: { exitCode: 50, check: 'backend.connections', cause: /:9\/ .*ECONNREFUSED/, remedy: /./ },
    provoke: lab => lab.request('scenario'),
    event: backendFailed,
  },
  {
    name: 'the name of the backend is unknown',
    lay: lab => lab.publish('http://wiki.corp.example/'),
    verdict: { exitCode: 50, check: 'backend.names', cause: /wiki\.corp\.example/, remedy: /./ },
    provoke: lab => lab.request('scenario'),
    event: backendFailed,
  },
  {
    name: 'nobody trusts the certificate of the backend',
    lay: lab => published(lab, 'captive-portal', 8_444, 'https'),
    verdict: {
      exitCode: 50,
      check: 'backend.tls',
      cause: /self-signed|SELF_SIGNED|certificate/,
      remedy: /./,
    },
    provoke: lab => lab.request('scenario'),
    event: backendFailed,
  },
  {
    name: 'the backend says nothing',
    lay: lab => published(lab, 'silent', 8_081, 'http'),
    verdict: { exitCode: 50, check: 'backend.answers', cause: /no answer within/, remedy: /./ },
  },
  {
    name: 'the backend speaks something else',
    lay: lab => published(lab, 'garbled-proxy', 8_082, 'http'),
    verdict: { exitCode: 50, check: 'backend.answers', cause: /not HTTP/, remedy: /./ },
  },
  {
    name: 'the backend answers with an error of its own',
    lay: lab => published(lab, 'lost-proxy', 8_083, 'http'),
    verdict: { exitCode: 0, check: 'backend.answers', status: 'warning', cause: /status 503/, remedy: /./ },
  },
  {
    name: "the backend is not on the machine's allow-list",
    lay: lab => settings(lab, { allow: ['192.0.2.0/24'] }),
    verdict: { exitCode: 50, check: 'backend.allowed', cause: /allow-list/, remedy: /./ },
    async provoke(lab) {
      await lab.startConnector();
      await lab.request('app', lab.testbed.cookie('app'));
    },
    event: dialRefused,
    recover: lab => lab.startConnector(),
  },
];

async function published(lab: Lab, kind: string, port: number, scheme: string): Promise<Lift> {
  const stop = await lab.middlebox(kind, port);
  const unpublish = await lab.publish(`${scheme}://${addresses.gateway}:${port}/`);
  return async () => {
    await unpublish();
    await stop();
  };
}
