import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2, { type ClientHttp2Session, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { WindowBudget } from '@postern/protocol/yamux/window-budget';
import { baseWindowBytes, type UploadProgress, UploadWindows } from './upload-windows.ts';

const megabyte = 1024 * 1024;

/** A session over a real connection whose other side knows the round trip once a first content has come. */
class Wired implements AsyncDisposable {
  readonly windows: UploadWindows;
  readonly client: ClientHttp2Session;
  readonly #session: ServerHttp2Session;
  readonly #server: http2.Http2Server;
  #now = 0;

  private constructor(
    server: http2.Http2Server,
    session: ServerHttp2Session,
    client: ClientHttp2Session,
    budget: WindowBudget,
  ) {
    this.#server = server;
    this.#session = session;
    this.client = client;
    this.windows = new UploadWindows(session, budget);
  }

  static async open(budget = new WindowBudget(128 * megabyte)): Promise<Wired> {
    const server = http2.createServer({ settings: { initialWindowSize: baseWindowBytes } }).listen(0);
    await once(server, 'listening');
    const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const [session] = await once(server, 'session');
    await once(session, 'localSettings');
    return new Wired(server, session, client, budget);
  }

  /** Lets whole windows come, each within so many milliseconds. @returns The size after them. */
  async pass(progress: UploadProgress, windows: number, everyMs: number): Promise<number> {
    for (let window = 0; window < windows; window++) {
      this.#now += everyMs;
      this.windows.count(progress, this.windows.sizeBytes, this.#now);
      await this.settle();
    }
    return this.windows.sizeBytes;
  }

  /** Resolves when what was sent so far has been answered. */
  async settle(): Promise<void> {
    await new Promise(resolve => this.#session.ping(resolve));
    while (this.#session.pendingSettingsAck) await once(this.#session, 'localSettings');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.destroy();
    this.#session.destroy();
    await new Promise(resolve => this.#server.close(resolve));
  }
}

const upload = (): UploadProgress => ({ bytes: 0, since: 0, recentBytes: 0 });

describe('the windows of uploads', () => {
  test('grow to 8 MiB while content goes by as fast as they let it, and the client is told', async () => {
    await using wired = await Wired.open();

    assert.equal(await wired.pass(upload(), 8, 0), 8 * megabyte);
    assert.equal(wired.client.remoteSettings.initialWindowSize, 8 * megabyte);
  });

  test('stay small where content comes slowly, or the client has not answered a ping', async () => {
    await using wired = await Wired.open();

    for (let answers = 0; answers < 8; answers++) wired.windows.count(upload(), 8 * megabyte, 0);
    assert.equal(wired.windows.sizeBytes, baseWindowBytes);
    assert.equal(await wired.pass(upload(), 8, 10_000), baseWindowBytes);
  });

  test('are small again once nothing comes, or a backend falls behind', async () => {
    await using wired = await Wired.open();
    for (const [uploads, isStuck] of [
      [0, false],
      [1, true],
    ] as const) {
      assert.equal(await wired.pass(upload(), 8, 0), 8 * megabyte);
      wired.windows.sweep(1, false);
      assert.equal(wired.windows.sizeBytes, 8 * megabyte);
      wired.windows.sweep(uploads, isStuck);
      await wired.settle();
      assert.equal(wired.client.remoteSettings.initialWindowSize, baseWindowBytes);
    }
  });

  test('share what a connection may hold', async () => {
    await using wired = await Wired.open();
    await wired.pass(upload(), 8, 0);

    wired.windows.sweep(4, false);
    await wired.settle();

    assert.equal(wired.windows.sizeBytes, 2 * megabyte);
    assert.equal(await wired.pass(upload(), 8, 0), 2 * megabyte);
    wired.windows.sweep(100, false);
    assert.equal(wired.windows.sizeBytes, baseWindowBytes);
  });

  test('take what they grow by from a budget, and give it back', async () => {
    const budget = new WindowBudget(megabyte);
    await using first = await Wired.open(budget);
    await using second = await Wired.open(budget);

    assert.equal(await first.pass(upload(), 8, 0), baseWindowBytes + megabyte);
    assert.equal(await second.pass(upload(), 8, 0), baseWindowBytes);
    first.windows.sweep(0, false);
    assert.equal(budget.leftBytes, megabyte);
    assert.equal(await second.pass(upload(), 8, 0), baseWindowBytes + megabyte);
    second.windows.release();
    assert.equal(budget.leftBytes, megabyte);
  });
});
