import type { Scenario } from '../scenario.ts';

/** Faults before the service, as its own doctor finds them: by what a connector on another machine sees. */
export const serviceScenarios: readonly Scenario[] = [
  {
    name: 'the doctor of the service, while nothing is wrong',
    lay: () => () => {},
    diagnose: lab => lab.serviceDoctor(['ports.outside-names', 'ports.outside-443', 'ports.outside-80']),
    verdict: null,
  },
  {
    name: 'the doctor of the service, while port 80 is dropped before it',
    lay: lab => lab.forwarding('tcp dport 80 drop'),
    diagnose: lab => lab.serviceDoctor(['ports.outside-443', 'clock.connectors']),
    verdict: {
      exitCode: 0,
      check: 'ports.outside-80',
      status: 'warning',
      cause: /^Seen from .*Port 80 is blocked/,
      remedy: /firewall before this service pass inbound connections/,
    },
  },
  {
    name: 'the doctor of the service, while a private network answers nothing on port 443',
    lay: lab => lab.forwarding('tcp dport 443 ct state new drop'),
    diagnose: lab => lab.serviceDoctor(['ports.listening']),
    verdict: {
      exitCode: 20,
      check: 'ports.outside-443',
      cause: /^Seen from .*get no answer/,
      remedy: /If it is that network alone/,
    },
  },
];
