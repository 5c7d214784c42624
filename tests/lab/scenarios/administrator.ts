import type { Scenario } from '../scenario.ts';

/** Faults of the administrator's sign-in and role. */
export const administratorScenarios: readonly Scenario[] = [
  {
    name: 'the administrator has no role',
    lay: () => () => {},
    diagnose: async lab => lab.doctor([], { environment: { POSTERN_TOKEN: await lab.testbed.token('ben') } }),
    verdict: {
      exitCode: 30,
      check: 'administrator.role',
      cause: /ben is signed in and has no role; only Application Administrator and Global Administrator/,
      remedy: /Let a Global Administrator give ben the role Application Administrator/,
    },
  },
  {
    name: 'the access token is none of this service',
    lay: () => () => {},
    diagnose: lab => lab.doctor([], { environment: { POSTERN_TOKEN: 'x'.repeat(43) } }),
    verdict: {
      exitCode: 30,
      check: 'administrator.account',
      cause: /does not accept the token/,
      remedy: /postern login/,
    },
  },
  {
    name: 'the account of the administrator is disabled',
    async lay(lab) {
      await lab.testbed.token('cleo');
      await lab.setEnabled('cleo', false);
      return () => lab.setEnabled('cleo', true);
    },
    diagnose: async lab =>
      lab.doctor([], { environment: { POSTERN_TOKEN: await lab.testbed.token('cleo') } }),
    verdict: {
      exitCode: 30,
      check: 'administrator.account',
      cause: /does not accept the token/,
      remedy: /postern login/,
    },
  },
];
