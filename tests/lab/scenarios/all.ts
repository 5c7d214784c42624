import type { Scenario } from '../scenario.ts';
import { administratorScenarios } from './administrator.ts';
import { backendScenarios } from './backend.ts';
import { connectivityScenarios } from './connectivity.ts';
import { diskScenarios } from './disk.ts';
import { machineScenarios } from './machine.ts';
import { serviceScenarios } from './service.ts';
import { revocationScenario, trustScenarios } from './trust.ts';
import { unattendedScenario } from './unattended.ts';

/** Every scenario, in the order of the doctor's groups. */
export const scenarios: readonly Scenario[] = [
  { name: 'nothing is wrong', lay: () => () => {}, verdict: null },
  ...connectivityScenarios,
  ...trustScenarios,
  ...administratorScenarios,
  ...machineScenarios,
  ...diskScenarios,
  ...backendScenarios,
  ...serviceScenarios,
  unattendedScenario,
  revocationScenario,
];
