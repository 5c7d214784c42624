import assert from 'node:assert/strict';
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
import { mock, test } from 'node:test';

type Callback = (error: Error | null, addresses: readonly dns.LookupAddress[]) => void;

/** What the system is asked to resolve and has not answered. */
const asked: { readonly name: string; readonly answer: Callback }[] = [];

mock.method(dns, 'lookup', (name: string, _: object, answer: Callback) => void asked.push({ name, answer }));
syncBuiltinESMExports();
const { lookupName } = await import('./lookup-name.ts');

function lookUp(name: string, options: dns.LookupOptions = {}): Promise<unknown> {
  return new Promise((resolve, reject) =>
    lookupName(name, options, (error, address) => (error ? reject(error) : resolve(address))),
  );
}

test('the system is asked once for a name that many want, and other names do not wait behind it', async () => {
  const silent = Array.from({ length: 100 }, () => lookUp('wiki.corp.test', { all: true }));
  const service = lookUp('connect.example.test');
  assert.deepEqual(
    asked.map(one => one.name),
    ['wiki.corp.test', 'connect.example.test'],
  );

  asked[1]!.answer(null, [{ address: '192.0.2.1', family: 4 }]);
  assert.equal(await service, '192.0.2.1');
  asked[0]!.answer(null, [{ address: '10.0.0.1', family: 4 }]);
  for (const one of silent) assert.deepEqual(await one, [{ address: '10.0.0.1', family: 4 }]);
});

test('an answer is for those who waited for it: later the system is asked again', async () => {
  asked.length = 0;
  const first = lookUp('wiki.corp.test');
  asked[0]!.answer(new Error('nobody answered'), []);
  await assert.rejects(first, /nobody answered/);

  const second = lookUp('wiki.corp.test');
  asked[1]!.answer(null, [{ address: '10.0.0.2', family: 4 }]);
  assert.equal(await second, '10.0.0.2');
});
