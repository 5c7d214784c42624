import type { Scenario } from '../scenario.ts';

/** Faults of the connector's machine. */
export const machineScenarios: readonly Scenario[] = [
  {
    name: 'the disk is full',
    lay: lab => lab.fillDisk(),
    diagnose: lab => lab.doctor(['--data', lab.fullDisk]),
    verdict: { exitCode: 40, check: 'machine.disk', cause: /full or nearly so/, remedy: /Make room/ },
  },
  {
    name: 'the connector may open few files',
    lay: lab => lab.limitFiles(64),
    verdict: {
      exitCode: 0,
      check: 'machine.file-limit',
      status: 'warning',
      cause: /Only 64 files/,
      remedy: /LimitNOFILE/,
    },
  },
];
