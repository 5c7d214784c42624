/**
 * `npm start`: a whole Postern on this machine, in the foreground. The service, one connector and a sample private site
 * run as processes of their own, set up and published with the same commands as anywhere else. What is made stays in
 * `.postern/`; the next start uses it again.
 */
import { parseArgs } from 'node:util';
import { QuickStartError } from './failure.ts';
import { QuickStart, type Ready } from './quick-start.ts';

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } });
const quickStart = new QuickStart({
  progress: text => {
    if (!values.json) process.stdout.write(`${text}\n`);
  },
});

// Ctrl-C reaches a whole process group: the same key press comes directly and once more from whoever passes it on.
const samePressMs = 1_000;
let firstSignalAt: number | undefined;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    const now = performance.now();
    if (firstSignalAt === undefined && !values.json)
      process.stdout.write('\nEnding; once more ends at once.\n');
    firstSignalAt ??= now;
    void quickStart.stop({ atOnce: now - firstSignalAt > samePressMs });
  });
}

try {
  const ready = await quickStart.start();
  process.stdout.write(values.json ? `${JSON.stringify(ready)}\n` : describe(ready));
  await quickStart.ended();
} catch (error) {
  if (!quickStart.isStopping) {
    const known = error instanceof QuickStartError;
    process.stderr.write(`${known ? error.message : `The quick start failed: ${String(error)}`}\n`);
    process.exitCode = 1;
  }
  await quickStart.stop({ atOnce: false });
}

function describe(ready: Ready): string {
  const password = ready.adminPassword ?? 'the one you chose';
  return `
Postern is running.

  My Apps             ${ready.portal}
  Wiki                ${ready.application}   (signed-in people only)
  Status              ${ready.passthroughApplication}   (everybody)

  Name                ${ready.adminUser}
  Password            ${password}

Your browser must trust this CA first (README.md says how for each system):
  ${ready.caFile}

Is your browser on another machine? Run this there, then use the same addresses:
  ssh -L 8443:127.0.0.1:8443 ${process.env['USER'] ?? 'you'}@this-machine

Data in ${ready.dataDir}. Ctrl-C ends everything.
`;
}
