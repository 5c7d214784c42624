import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import type { Testbed } from './testbed.ts';

const postern = path.join(import.meta.dirname, '..', '..', 'packages/cli/bin/postern.mjs');

/** The command line of an administrator who is signed in at a testbed. */
export class CommandLine implements Disposable {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'postern-cli-'));

  static async signIn(bed: Testbed): Promise<CommandLine> {
    const commandLine = new CommandLine();
    const { name, password } = bed.administrator;
    await commandLine.run(
      [
        ...['login', '--service', `${bed.domain}:${bed.port}`, '--ca-file', bed.caFile],
        ...['--user', name, '--password-stdin'],
      ],
      `${password}\n`,
    );
    return commandLine;
  }

  /**
   * Runs `postern … --json` to its end.
   *
   * @returns The document that it prints.
   * @throws Error with everything that it said where it fails.
   */
  async run(parameters: readonly string[], input = ''): Promise<unknown> {
    return JSON.parse(await this.print([...parameters, '--json'], input));
  }

  /** Runs `postern …` to its end. @returns What it prints. @throws as {@link run}. */
  async print(parameters: readonly string[], input = ''): Promise<string> {
    const child = spawn(process.execPath, [postern, ...parameters], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, POSTERN_CONFIG_DIR: this.#folder },
    });
    child.stdin.end(input);
    const [output, complaint, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ]);
    if (code !== 0)
      throw new Error(`postern ${parameters.join(' ')} ended with ${code}: ${output}${complaint}`);
    return output;
  }

  /** For programs that run `postern` themselves: what to call, and where it finds the sign-in. */
  get asProgram(): { readonly command: string; readonly environment: Readonly<Record<string, string>> } {
    return {
      command: `${process.execPath} ${postern}`,
      environment: { POSTERN_CONFIG_DIR: this.#folder },
    };
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
