import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { describe, test } from 'node:test';
import { createLogger } from '../telemetry/logger.ts';
import { PrivateListener } from './private-listener.ts';

describe('the private listener', () => {
  test('answers metrics and health, and says what is wrong', async t => {
    const probe = net.createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as net.AddressInfo;
    await new Promise(resolve => probe.close(resolve));
    let problems: readonly string[] = [];
    const listener = new PrivateListener({
      metrics: async () => ({ contentType: 'text/plain; version=0.0.4', text: 'postern_tunnels 2\n' }),
      health: () => problems,
      log: createLogger({ program: 'test', level: 'silent' }),
    });
    await listener.listen({ host: '127.0.0.1', port });
    t.after(() => listener.stop());
    const get = async (path: string) => {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`);
      return { status: answer.status, text: await answer.text() };
    };

    const metrics = await get('/metrics');
    const healthy = await get('/health');
    problems = ['the control process is not connected'];
    const ill = await get('/health');
    const nothing = await get('/debug/pprof');

    assert.deepEqual(metrics, { status: 200, text: 'postern_tunnels 2\n' });
    assert.deepEqual(healthy, { status: 200, text: '{"status":"ok","problems":[]}\n' });
    assert.equal(ill.status, 503);
    assert.match(ill.text, /the control process is not connected/);
    assert.equal(nothing.status, 404);
  });
});
