import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import axe from 'axe-core';
import { type BrowserContext, chromium, type Page } from 'playwright-core';

/** Where Debian's package puts it. */
const executablePath = '/usr/bin/chromium';

export interface ChromiumOptions {
  /** PEM files of the CAs that the browser is told to trust. */
  readonly caFile: string | readonly string[];
  /** Domains that the browser finds on the loopback, names below them included. */
  readonly loopbackDomains?: readonly string[];
  /** What tells it so, in place of {@link trustAuthority}; gets the browser's home folder. */
  readonly trust?: (home: string) => void;
  /** Without script, for pages that must do without. */
  readonly javaScriptEnabled?: boolean;
  /** What is typed where an origin asks by `WWW-Authenticate: Basic`. */
  readonly httpCredentials?: {
    readonly username: string;
    readonly password: string;
    readonly origin: string;
  };
}

/** A real Chromium with a profile and a home of its own; certificates are judged as for everybody. */
export class Chromium implements AsyncDisposable {
  readonly context: BrowserContext;
  readonly #home: string;
  #errors: string[] = [];

  private constructor(context: BrowserContext, home: string) {
    this.context = context;
    this.#home = home;
    context.on('console', message => {
      const { url } = message.location();
      // Chromium asks by itself for the icon that Debian's packages lack.
      if (message.type() !== 'error' || url.endsWith('/favicon.ico')) return;
      this.#errors.push(`${url}: ${message.text()}`);
    });
    context.on('weberror', error => this.#errors.push(String(error.error())));
  }

  static async launch({
    caFile,
    loopbackDomains = [],
    trust,
    javaScriptEnabled,
    httpCredentials,
  }: ChromiumOptions): Promise<Chromium> {
    const home = mkdtempSync(path.join(tmpdir(), 'postern-chromium-'));
    try {
      if (trust) trust(home);
      else for (const file of [caFile].flat()) trustAuthority(home, file);
      const context = await chromium.launchPersistentContext(path.join(home, 'profile'), {
        executablePath,
        // Chromium looks for the CAs of its user below HOME.
        env: { ...process.env, HOME: home } as Record<string, string>,
        javaScriptEnabled,
        ...(httpCredentials === undefined ? {} : { httpCredentials }),
        timeout: 120_000,
        args: [
          '--no-sandbox',
          '--disable-gpu',
          '--disable-quic',
          '--no-first-run',
          '--disable-background-networking',
          '--disable-component-update',
          '--disable-sync',
          ...(loopbackDomains.length === 0 ? [] : [resolverRules(loopbackDomains)]),
        ],
      });
      context.setDefaultTimeout(60_000);
      return new Chromium(context, home);
    } catch (error) {
      rmSync(home, { recursive: true, force: true });
      throw error;
    }
  }

  newPage(): Promise<Page> {
    return this.context.newPage();
  }

  /** What the pages complained about since it was last asked for: console errors and uncaught exceptions. */
  takeErrors(): string[] {
    const errors = this.#errors;
    this.#errors = [];
    return errors;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.context.close();
    rmSync(this.#home, { recursive: true, force: true, maxRetries: 5 });
  }
}

function resolverRules(domains: readonly string[]): string {
  return `--host-resolver-rules=${domains.map(domain => `MAP *.${domain} 127.0.0.1`).join(',')}`;
}

/** Lets the browser of a home folder trust a CA, in the certificate store that Chromium reads on Linux. */
function trustAuthority(home: string, caFile: string): void {
  const store = path.join(home, '.pki', 'nssdb');
  mkdirSync(store, { recursive: true });
  // A file may hold several, and certutil takes the first alone.
  for (const [pem] of readFileSync(caFile, 'utf8').matchAll(/-----BEGIN[\s\S]*?-----END CERTIFICATE-----/g)) {
    const name = hash('sha256', pem);
    execFileSync('certutil', ['-d', `sql:${store}`, '-A', '-a', '-t', 'C,,', '-n', name], { input: pem });
  }
}

/** Violations of accessibility rules that axe-core calls serious or critical, one line each. */
export async function seriousViolations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const found: unknown = await page.evaluate('axe.run().then(({ violations }) => violations)');
  return (found as AxeViolation[])
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, help, nodes }) => `${id}: ${help} (${nodes.map(node => node.html).join(' ')})`);
}

interface AxeViolation {
  readonly id: string;
  readonly help: string;
  readonly impact: string | null;
  readonly nodes: readonly { readonly html: string }[];
}
