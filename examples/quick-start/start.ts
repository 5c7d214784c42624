/**
 * `npm start`: a whole Postern on this machine, in the foreground. The service, one connector and a sample private site
 * run as processes of their own, set up and published with the same commands as anywhere else. What is made stays in
 * `.postern/`; the next start uses it again.
 *
 * `--json` prints one line of JSON when everything is ready; `--data FOLDER` and `--ports PUBLIC,HTTP,PRIVATE` make a
 * second set-up beside the first.
 */
import { parseArgs } from 'node:util';
import { QuickStartError } from './failure.ts';
import { type Ports, QuickStart, type Ready } from './quick-start.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    data: { type: 'string' },
    ports: { type: 'string' },
  },
});
const quickStart = new QuickStart({
  dataDir: values.data,
  ports: parsePorts(values.ports),
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

function parsePorts(text: string | undefined): Ports | undefined {
  if (text === undefined) return undefined;
  const ports = text.split(',').map(Number);
  if (ports.length === 3 && ports.every(port => Number.isInteger(port) && port > 0 && port < 65_536)) {
    return { public: ports[0], http: ports[1], private: ports[2] };
  }
  process.stderr.write(
    '--ports needs three numbers between 1 and 65535, for example --ports 9443,9080,9441\n',
  );
  process.exit(2);
}

function describe(ready: Ready): string {
  const { port } = new URL(ready.portal);
  const password = ready.adminPassword ?? 'the one you chose';
  return `
Postern is running.

  My Apps             ${ready.portal}
  Wiki                ${ready.application}   (signed-in people only)
  Status              ${ready.passthroughApplication}   (everybody)
  Port check          ${ready.portal.replace('//portal.', '//portcheck.')}

  Name                ${ready.adminUser}
  Password            ${password}

Your browser must trust this CA first (README.md says how for each system):
  ${ready.caFile}

Is your browser on another machine? Run this there, then use the same addresses:
  ssh -L ${port}:127.0.0.1:${port} ${process.env['USER'] ?? 'you'}@this-machine

Data in ${ready.dataDir}. Ctrl-C ends everything.
`;
}
