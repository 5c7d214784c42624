import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { buildPackages, packPackages } from './build.ts';

describe('the packages, installed from their tarballs', { timeout: 600_000 }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-packed-'));
  const prefix = path.join(folder, 'prefix');
  const bin = (command: string) => path.join(prefix, 'bin', command);
  after(() => rmSync(folder, { recursive: true, force: true }));

  before(async () => {
    const target = path.join(folder, 'packed');
    mkdirSync(target);
    const tarballs = packPackages(await buildPackages(path.join(folder, 'built')), target);
    // The optional Node is the one that runs this; where it is not in npm's cache, the packages do without.
    execFileSync(
      'npm',
      ['install', '--global', '--offline', '--no-audit', '--no-fund', '--prefix', prefix, ...tarballs],
      { cwd: folder, stdio: 'pipe' },
    );
  });

  test('bring their commands, which know their version', () => {
    for (const command of ['postern', 'postern-connector']) {
      assert.match(execFileSync(bin(command), ['--version'], { encoding: 'utf8' }), /^\d+\.\d+\.\d+\n$/);
    }
    assert.match(
      execFileSync(bin('postern-server'), ['--help'], { encoding: 'utf8' }),
      /Run and keep a Postern service/,
    );
  });

  test('contain no TypeScript and depend on nothing but Node', () => {
    const modules = path.join(prefix, 'lib', 'node_modules', '@postern');

    assert.deepEqual(readdirSync(modules).sort(), ['cli', 'connector', 'server']);
    for (const name of readdirSync(modules)) {
      const files = ['bin', 'dist'].flatMap(part => readdirSync(path.join(modules, name, part)));
      const manifest = JSON.parse(readFileSync(path.join(modules, name, 'package.json'), 'utf8'));
      assert.deepEqual(
        files.filter(file => /\.[cm]?ts$/.test(file)),
        [],
      );
      assert.equal(manifest.dependencies, undefined);
    }
  });

  test('set up a service and run it', async () => {
    const config = path.join(folder, 'postern.yaml');
    const [https, health] = [await freePort(), await freePort()];
    execFileSync(bin('postern'), [
      ...[
        'init',
        '--domain',
        'packed.test',
        '--certificates',
        'local',
        '--config',
        config,
        '--data',
        path.join(folder, 'data'),
      ],
      ...['--https', `127.0.0.1:${https}`, '--http', 'off', '--private', `127.0.0.1:${health}`],
    ]);

    const service = spawn(bin('postern'), ['serve', '--config', config], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output: Buffer[] = [];
    for (const stream of [service.stdout, service.stderr]) stream.on('data', chunk => output.push(chunk));
    const ended = once(service, 'exit');
    try {
      await untilHealthy(`http://127.0.0.1:${health}/health`, service, output);
      service.kill('SIGTERM');
      assert.deepEqual(await ended, [0, null], Buffer.concat(output).toString());
    } finally {
      service.kill('SIGKILL');
    }
  });
});

async function untilHealthy(
  url: string,
  service: { readonly exitCode: number | null },
  output: readonly Buffer[],
): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt++) {
    assert.equal(service.exitCode, null, Buffer.concat(output).toString());
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) return;
    await delay(100);
  }
  assert.fail(`no health after a minute: ${Buffer.concat(output)}`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}
