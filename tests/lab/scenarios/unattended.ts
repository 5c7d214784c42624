import type { Lab } from '../lab.ts';
import type { Scenario } from '../scenario.ts';

const tunnelLost = 2003;

/** examples/unattended on a machine of its own, with systemd: first where it cannot work, and then where it can. */
export const unattendedScenario: Scenario = {
  name: 'a machine is set up unattended, and the firewall drops port 443',
  async lay(lab) {
    await lab.bootMachine();
    return lab.forwarding('tcp dport 443 drop');
  },
  diagnose: lab => lab.setUpMachine(),
  verdict: {
    exitCode: 10,
    check: 'connectivity.tcp-443',
    cause: /get no answer: a firewall drops them/,
    remedy: /outbound TCP port 443/,
  },
  // Of the other connector in the same network.
  event: tunnelLost,
  recover: setUpAgain,
};

async function setUpAgain(lab: Lab): Promise<void> {
  const { exitCode, report } = await lab.setUpMachine();
  if (exitCode !== 0) throw new Error(`set-up ended with ${exitCode}: ${JSON.stringify(report.results)}`);
  const tunnel = report.results.find(({ id }) => id === 'trust.tunnel');
  if (tunnel?.status !== 'passed') throw new Error(`the machine has no tunnel: ${JSON.stringify(tunnel)}`);
  await lab.removeMachine();
}
