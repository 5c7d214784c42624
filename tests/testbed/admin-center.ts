import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { buildPortalIfStale } from '../../scripts/build-portal.ts';
import { Chromium, seriousViolations } from './chromium.ts';
import { startTestbed, type Testbed, type TestbedOptions } from './testbed.ts';

/** The Admin center of a testbed, in a real browser. */
export class AdminCenter implements AsyncDisposable {
  readonly bed: Testbed;
  readonly chromium: Chromium;

  private constructor(bed: Testbed, chromium: Chromium) {
    this.bed = bed;
    this.chromium = chromium;
  }

  static async start(options: TestbedOptions): Promise<AdminCenter> {
    await buildPortalIfStale();
    const bed = await startTestbed(options);
    try {
      return new AdminCenter(bed, await Chromium.launch({ caFile: bed.caFile }));
    } catch (error) {
      await bed[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** An address of the portal. */
  addressOf(path: string): string {
    return `https://portal.${this.bed.domain}:${this.bed.port}${path}`;
  }

  /** Closes what a test has left open, and forgets what its pages complained about. */
  async reset(): Promise<void> {
    for (const page of this.chromium.context.pages().slice(1)) await page.close();
    this.chromium.takeErrors();
  }

  /** Opens an address with a browser that remembers nothing, and signs in on the way to it. */
  async openAs(name: string, path: string): Promise<Page> {
    const page = await this.chromium.newPage();
    // Pages of whoever was signed in before would notice, and complain.
    for (const other of this.chromium.context.pages()) if (other !== page) await other.close();
    await this.chromium.context.clearCookies();
    this.chromium.takeErrors();
    await page.goto(this.addressOf(path));
    await page.getByLabel('Name').fill(name);
    await page.getByLabel('Password').fill(this.bed.administrator.password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL(this.addressOf(path));
    return page;
  }

  /** Waits for a page by its title, and finds nothing wrong with it: for no reader, and for no policy. */
  async arrive(page: Page, title: string): Promise<void> {
    await page.getByRole('heading', { level: 1, name: title, exact: true }).waitFor();
    await page.getByText('Loading').first().waitFor({ state: 'hidden' });
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(this.chromium.takeErrors(), []);
  }

  /** Opens pages as the administrator on a phone and on a tablet, and finds none that is wider. */
  async fitsNarrowWindows(paths: readonly string[]): Promise<void> {
    const page = await this.openAs('ada', paths[0] ?? '/admin/applications');
    for (const width of [390, 768]) {
      await page.setViewportSize({ width, height: 800 });
      for (const path of paths) {
        await page.goto(this.addressOf(path));
        await page.getByRole('heading', { level: 1 }).waitFor();
        await page.getByText('Loading').first().waitFor({ state: 'hidden' });
        const over = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
        assert.ok(Number(over) <= 0, `${path} is ${over} px wider than ${width}`);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.chromium[Symbol.asyncDispose]();
    await this.bed[Symbol.asyncDispose]();
  }
}

/**
 * What axe-core finds wrong with a page. Fluent's keyboard library keeps unseen elements around a modal that catch the
 * focus on its way out and pass it on; axe cannot know that it never stays there.
 */
export async function violations(page: Page): Promise<string[]> {
  // Halfway through fading in, nothing has its contrast yet.
  await page.evaluate(
    'Promise.allSettled(document.getAnimations().map(animation => animation.finished)).then(() => null)',
  );
  const found = await seriousViolations(page);
  return found.filter(line => {
    const others = line.replaceAll(/<i [^>]*data-tabster-dummy[^>]*><\/i> ?/g, '');
    return !line.startsWith('aria-hidden-focus:') || !others.endsWith('()');
  });
}
