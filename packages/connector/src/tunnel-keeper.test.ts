import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { Outbound } from '@postern/outbound/outbound';
import { WindowBudget } from '@postern/protocol/yamux/window-budget';
import { domain, TestService } from '../testing/test-service.ts';
import { AllowList } from './allow-list.ts';
import { loadIdentity } from './identity/identity.ts';
import { registerConnector } from './register.ts';
import { TunnelKeeper } from './tunnel-keeper.ts';

let service: TestService;

before(async () => {
  service = await TestService.start();
});
after(() => service[Symbol.asyncDispose]());

test('a service that takes connections, but is too busy to answer them at once, is given more time with each', async t => {
  const dataDir = service.dataDir();
  await registerConnector({
    service: `${domain}:${service.registrationPort}`,
    token: 'admin',
    dataDir,
    caFile: service.caFile,
    machineName: 'srv-01',
    key: 'p384',
  });
  // What a busy process looks like from outside: the kernel takes the connection, and nothing is read for a while.
  const busy = net.createServer({ pauseOnConnect: true }, client => {
    const timer = setTimeout(() => {
      const upstream = net.connect(service.tunnelPort, '127.0.0.1');
      upstream.on('error', () => client.destroy());
      upstream.once('close', () => client.destroy());
      client.once('close', () => upstream.destroy());
      client.pipe(upstream).pipe(client);
    }, 400);
    client.on('error', () => {});
    client.once('close', () => clearTimeout(timer));
  });
  await once(busy.listen(0, '127.0.0.1'), 'listening');
  t.after(() => busy.close());
  const identity = await loadIdentity(dataDir, Date.now());
  const connectPort = (busy.address() as AddressInfo).port;
  const failures: string[] = [];
  const { promise: connected, resolve } = Promise.withResolvers<void>();
  const keeper = new TunnelKeeper({
    count: 1,
    identity: { ...identity, service: { ...identity.service, connectPort } },
    random: () => 0.5,
    tunnel: {
      allow: new AllowList(),
      outbound: new Outbound(),
      backendOutbound: new Outbound(),
      version: '0.0.0',
      os: 'linux',
      windowBudget: new WindowBudget(),
      connectTimeoutMs: 100,
      backendTimeoutMs: 10_000,
      now: () => performance.now(),
    },
    hooks: {
      onConnected: () => resolve(),
      onFailed: (_, error) => failures.push(error.message),
      onReplaced: () => {},
      onEnded: () => {},
      onConfigured: () => {},
      onStreamOpened: () => {},
      onPairChanged: () => {},
      onExpired: () => {},
    },
  });
  t.after(() => keeper.close());

  keeper.start();
  await service.accept();
  await connected;

  const unanswered = [0.2, 0.4].map(
    seconds => `the connection was taken, and not answered within ${seconds} s`,
  );
  assert.deepEqual(failures.slice(0, 2), unanswered);
});
