/**
 * How long does a connector's registration take, until its tunnel is up, and how long the doctors of connector and service
 * where nothing is wrong? `node bench/registration.ts [--rounds 5]`
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { measureAndPrint, type RunOptions } from './command-line.ts';
import { startSmallBackend } from './nginx.ts';
import { programsIn, startPostern } from './postern.ts';
import { Workplace } from './programs.ts';
import { type Figure, figure } from './report.ts';

const tunnelLimitMs = 30_000;

/** By the clock of whoever typed the commands: the start of the programs is part of it. */
export async function measureRegistration({ rounds, say }: RunOptions): Promise<Figure[]> {
  await using workplace = new Workplace();
  const backend = await startSmallBackend(workplace);
  const { testbed } = await startPostern(workplace, { backendUrl: `http://127.0.0.1:${backend.port}/` });
  const programs = programsIn(workplace);

  const register = async (key: string): Promise<number> => {
    const dataDir = mkdtempSync(path.join(workplace.folder, 'connector-'));
    const tokenFile = path.join(dataDir, 'token');
    const { body } = await testbed.api(
      'POST',
      '/onPremisesPublishingProfiles/applicationProxy/enrolmentTokens',
      {},
    );
    writeFileSync(tokenFile, (body as { token: string }).token);
    const command = [process.execPath, programs.connector];
    const startedAt = performance.now();
    const parameters = ['--token-file', tokenFile, '--key', key, '--data', dataDir];
    await workplace.run([...command, 'register', ...parameters]);
    const upAt = await untilTunnel(workplace, [...command, 'run', '--data', dataDir]);
    return (upAt - startedAt) / 1_000;
  };
  const examine = async (program: string, ...parameters: string[]): Promise<number> => {
    const startedAt = performance.now();
    await workplace.run([process.execPath, program, 'doctor', ...parameters]);
    return (performance.now() - startedAt) / 1_000;
  };

  const runs: Record<'p384' | 'rsa' | 'connector' | 'service', number[]> = {
    p384: [],
    rsa: [],
    connector: [],
    service: [],
  };
  const { dataDir } = testbed.connectors[0]!;
  for (let round = 0; round < rounds; round++) {
    runs.p384.push(await register('p384'));
    runs.rsa.push(await register('rsa3072'));
    runs.connector.push(await examine(programs.connector, '--data', dataDir, '--ca-file', testbed.caFile));
    runs.service.push(await examine(programs.service, '--config', testbed.configFile));
    say(
      Object.entries(runs)
        .map(([name, all]) => `${name} ${all.at(-1)!.toFixed(1)} s`)
        .join(', '),
    );
  }
  const inSeconds = (name: string, of: readonly number[], limit: number) =>
    figure({ name, unit: 's', runs: of, target: { comparison: '≤', value: limit } });
  return [
    inSeconds('registration with a token until the tunnel is up, P-384', runs.p384, 3),
    inSeconds('registration with a token until the tunnel is up, RSA 3072', runs.rsa, 3),
    inSeconds('doctor of a healthy connector', runs.connector, 5),
    inSeconds('doctor of a healthy service', runs.service, 5),
  ];
}

/** Runs a connector until it says that a tunnel of it is up. Returns when that was. */
async function untilTunnel(workplace: Workplace, command: readonly string[]): Promise<number> {
  const ending = new AbortController();
  let upAt = 0;
  const onError = (text: string) => {
    if (upAt > 0 || !text.includes('tunnel_connected')) return;
    upAt = performance.now();
    ending.abort();
  };
  const run = workplace.run(command, { timeoutMs: tunnelLimitMs, onError, signal: ending.signal });
  // It ends since it was told to; whether it had come so far is what counts.
  await run.catch(error => {
    if (upAt === 0) throw error;
  });
  return upAt;
}

if (import.meta.main) await measureAndPrint(measureRegistration);
