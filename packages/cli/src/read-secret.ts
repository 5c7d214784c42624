import { CliError } from './cli-error.ts';

/** Longest secret that is read. */
const maxSecretBytes = 64 * 1024;

/** Reads a secret from standard input: everything up to its end, without the last line break. */
export async function readSecretFromInput(input: NodeJS.ReadStream): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of input) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > maxSecretBytes) {
      throw new CliError('usage', 'The secret on standard input is too long.');
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}

/**
 * Asks on the terminal, without echo.
 *
 * @throws CliError `usage` where standard input is no terminal; `failed` when the person presses Ctrl-C.
 */
export async function askSecret(
  question: string,
  terminal: { input: NodeJS.ReadStream; output: NodeJS.WriteStream },
): Promise<string> {
  const { input, output } = terminal;
  if (!input.isTTY) {
    throw new CliError('usage', 'There is no terminal to ask for a password on.', {
      remedy: 'Give it on standard input: --password-stdin.',
    });
  }
  output.write(question);
  input.setRawMode(true);
  input.setEncoding('utf8');
  input.resume();
  try {
    return await readLine(input);
  } finally {
    input.setRawMode(false);
    input.pause();
    output.write('\n');
  }
}

function readLine(input: NodeJS.ReadStream): Promise<string> {
  return new Promise((resolve, reject) => {
    let line = '';
    const done = (finish: () => void) => {
      input.off('data', read);
      finish();
    };
    const read = (text: string) => {
      for (const character of text) {
        if (character === '\r' || character === '\n' || character === '\u0004') {
          done(() => resolve(line));
          return;
        }
        if (character === '\u0003') {
          done(() => reject(new CliError('failed', 'Cancelled.')));
          return;
        }
        // Backspace arrives as DEL or BS; both take the last character away, not half of a surrogate pair.
        line =
          character === '\u007f' || character === '\b' ? [...line].slice(0, -1).join('') : line + character;
      }
    };
    input.on('data', read);
  });
}
