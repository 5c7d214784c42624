/** A real browser and a real client before a service whose local authority has given way to the next one. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { openAuthorities } from '@postern/server/registration/authorities';
import { writeLocalCertificates } from '@postern/server/registration/local-certificates';
import { Chromium } from '../testbed/chromium.ts';

const domain = 'local.localhost';

describe('who trusts the local authority goes on when the next one signs', { timeout: 300_000 }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-local-authority-'));
  let server: Server;
  let url: string;

  before(async () => {
    const kept = new Map<string, string>();
    const secrets = {
      seal: async (name: string, secret: string) => void kept.set(name, secret),
      unseal: async (name: string) => (kept.has(name) ? Buffer.from(kept.get(name)!) : null),
    };
    const { rotating } = await openAuthorities({ secrets, domain, now: Date.now });
    const { local } = rotating;
    writeFileSync(path.join(folder, 'former.pem'), local.current.certificate);
    await local.announce(Date.now());
    await local.promote(Date.now() + 86_400_000);
    writeFileSync(path.join(folder, 'next.pem'), local.current.certificate);
    const files = await writeLocalCertificates(local, domain, folder, Date.now());
    const pair = { cert: readFileSync(files.certificateFile), key: readFileSync(files.keyFile) };
    server = createServer(pair, (_, answer) => answer.end('<h1>here</h1>'));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    url = `https://login.${domain}:${(server.address() as AddressInfo).port}/`;
  });
  after(() => {
    server?.closeAllConnections();
    server?.close();
    rmSync(folder, { recursive: true });
  });

  for (const trusted of ['former', 'next']) {
    const caFile = path.join(folder, `${trusted}.pem`);

    test(`in Chromium with the ${trusted} one`, async () => {
      await using browser = await Chromium.launch({ caFile });
      const page = await browser.newPage();

      await page.goto(url);

      assert.equal(await page.textContent('h1'), 'here');
    });

    test(`in curl with the ${trusted} one`, async () => {
      const { stdout } = await promisify(execFile)('curl', ['-sS', '--cacert', caFile, url]);

      assert.equal(stdout, '<h1>here</h1>');
    });
  }
});
