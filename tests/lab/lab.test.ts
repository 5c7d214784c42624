/**
 * The lab as part of the tests: each of its scenarios is one. `POSTERN_WITHOUT_LAB=1` leaves it out on purpose, where
 * nobody may make network namespaces.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { describe, test } from 'node:test';
import type { ScenarioResult } from './scenario.ts';
import { scenarios } from './scenarios/all.ts';

const isLeftOut = process.env['POSTERN_WITHOUT_LAB'] === '1';

describe('the lab', { timeout: 1_800_000 }, () => {
  test('every fault is named by the doctor, with its remedy, and the connector comes back', async context => {
    if (isLeftOut) return context.diagnostic('left out on purpose: POSTERN_WITHOUT_LAB=1');
    assert.equal(process.getuid?.(), 0, 'the lab needs root; POSTERN_WITHOUT_LAB=1 leaves it out on purpose');
    assert.ok(scenarios.length >= 35);
    const results = await runLab();
    for (const { name, problem } of results) await context.test(name, () => assert.equal(problem, ''));
    assert.equal(results.length, scenarios.length);
  });
});

async function runLab(): Promise<ScenarioResult[]> {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'run.ts'), '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  await once(child, 'close');
  return JSON.parse(output) as ScenarioResult[];
}
