import assert from 'node:assert/strict';
import { test } from 'node:test';
import { operatorProgram, reportFailure } from './program.ts';
import type { Terminal } from './terminal.ts';

test('wrong usage reads as every other failure, and ends with 2', async () => {
  assert.deepEqual(await refusal('backup'), [
    2,
    "postern: Missing required argument 'file'.\n  `postern COMMAND --help` shows the options.",
  ]);
  assert.deepEqual(await refusal('doctor', '--jsno'), [
    2,
    "postern: Unknown option '--jsno'.\n  (Did you mean --json?)",
  ]);
});

async function refusal(...parameters: string[]): Promise<[number, string]> {
  const noted: string[] = [];
  const nobody = () => Promise.reject(new Error('nobody is there to answer'));
  const terminal: Terminal = {
    isInteractive: false,
    print: () => undefined,
    note: line => void noted.push(line),
    ask: nobody,
    askSecret: nobody,
    readInput: nobody,
  };
  const program = operatorProgram({
    environment: {},
    terminal,
    serve: nobody,
    node: '/usr/bin/node',
    program: '/usr/lib/postern/postern-server.js',
  });
  try {
    await program.parseAsync(['node', 'postern', ...parameters]);
  } catch (error) {
    return [reportFailure(error, terminal), noted.join('\n')];
  }
  return assert.fail('it was accepted');
}
