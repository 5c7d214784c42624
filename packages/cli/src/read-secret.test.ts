import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import { CliError } from './cli-error.ts';
import { askSecret, readSecretFromInput } from './read-secret.ts';

/** A terminal as far as the question goes: what is typed, what is shown, and whether it echoes. */
function openTerminal(isTTY = true) {
  const modes: boolean[] = [];
  const input = Object.assign(new PassThrough(), {
    isTTY,
    setRawMode: (raw: boolean) => void modes.push(raw),
  });
  const output = new PassThrough({ encoding: 'utf8' });
  return {
    modes,
    shown: () => String(output.read()),
    type: (text: string) => void input.write(text),
    terminal: {
      input: input as unknown as NodeJS.ReadStream,
      output: output as unknown as NodeJS.WriteStream,
    },
  };
}

describe('a password that is asked for', () => {
  test('is not shown, can be corrected, and leaves the terminal as it was', async () => {
    const { terminal, type, shown, modes } = openTerminal();

    const answer = askSecret('Password: ', terminal);
    type('wr');
    type('\u007f\u007fgeheim💡\b!');
    type('\r');

    assert.equal(await answer, 'geheim!');
    assert.equal(shown(), 'Password: \n');
    assert.deepEqual(modes, [true, false]);
  });

  test('can be refused with Ctrl-C', async () => {
    const { terminal, type, modes } = openTerminal();

    const answer = askSecret('Password: ', terminal);
    type('abc\u0003');

    await assert.rejects(answer, { code: 'failed', message: 'Cancelled.' });
    assert.deepEqual(modes, [true, false]);
  });

  test('needs a terminal', async () => {
    const { terminal } = openTerminal(false);

    await assert.rejects(askSecret('Password: ', terminal), error => error instanceof CliError);
  });
});

describe('a secret on standard input', () => {
  for (const [given, secret] of [
    ['secret\n', 'secret'],
    ['secret\r\n', 'secret'],
    [' two words ', ' two words '],
    ['two\nlines\n', 'two\nlines'],
    ['', ''],
  ]) {
    test(`${JSON.stringify(given)} is ${JSON.stringify(secret)}`, async () => {
      const input = new PassThrough();
      input.end(given);

      assert.equal(await readSecretFromInput(input as unknown as NodeJS.ReadStream), secret);
    });
  }

  test('that never ends is refused', async () => {
    const input = new PassThrough();
    input.end(Buffer.alloc(100_000));

    await assert.rejects(readSecretFromInput(input as unknown as NodeJS.ReadStream), /too long/);
  });
});
