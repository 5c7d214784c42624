import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { outboundFrom } from '@postern/outbound/outbound';
import { RawProxy } from '../../outbound/testing/raw-proxy.ts';
import { AllowList } from './allow-list.ts';
import { DialError, dial } from './backend.ts';

test('a proxy and the TLS handshake behind it share the time of one attempt', {
  timeout: 30_000,
}, async t => {
  const silent = net.createServer(socket => socket.on('error', () => {}));
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  t.after(() => silent.close());
  const { port } = silent.address() as net.AddressInfo;
  await using proxy = await RawProxy.start(() => ({ through: { host: '127.0.0.1', port } }));
  // The proxy leaves 10 ms of a minute.
  const times = [0, 59_990];
  const { opened } = dial(
    { applicationId: 'a', host: 'intranet.corp.example', port: 443, tls: true, validateCertificate: true },
    {
      allow: new AllowList(),
      outbound: outboundFrom({ proxy: `http://127.0.0.1:${proxy.port}` }, {}),
      onBytes: () => true,
      timeoutMs: 60_000,
      now: () => times.shift() ?? 59_990,
    },
  );

  await assert.rejects(
    opened,
    (error: unknown) => error instanceof DialError && error.code === 'connection_timed_out',
  );
});
