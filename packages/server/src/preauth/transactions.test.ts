import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deriveKey, Sealer } from '../sign-in/sealer.ts';
import { readCookies } from './request-cookies.ts';
import { attemptOf, beginTransaction, findTransaction } from './transactions.ts';

const sealer = new Sealer(deriveKey(Buffer.alloc(32, 7), 'test'));
const host = 'wiki.example.com';

function begin(now: number, cookieField?: string) {
  return beginTransaction(
    sealer,
    { nonce: 'n', verifier: 'v', returnPath: '/p', host, clientId: 'c', createdAt: now, attempt: 0 },
    cookieField,
  );
}

/** The Cookie field of a browser that has taken these Set-Cookie fields. */
function cookiesOf(setCookies: readonly string[]): string {
  const jar = new Map<string, string>();
  for (const field of setCookies) {
    const [name, value] = field.split(';')[0].split('=');
    if (field.includes('Max-Age=0')) jar.delete(name);
    else jar.set(name, value);
  }
  return [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
}

describe('transactions', () => {
  test('tabs that sign in at the same time each find their own', () => {
    const first = begin(0);
    const second = begin(1, cookiesOf(first.setCookie));
    const cookies = cookiesOf([...first.setCookie, ...second.setCookie]);

    for (const { transaction } of [first, second]) {
      assert.deepEqual(findTransaction(sealer, { state: transaction.state, host, now: 2 }, cookies), {
        transaction,
        isValid: true,
      });
    }
  });

  test('the sixth makes the oldest forgotten', () => {
    let setCookies: string[] = [];
    const begun = [0, 1, 2, 3, 4, 5].map(now => {
      const { transaction, setCookie } = begin(now, cookiesOf(setCookies));
      setCookies = [...setCookies, ...setCookie];
      return transaction;
    });
    const cookies = cookiesOf(setCookies);

    const found = begun.map(
      ({ state }) => findTransaction(sealer, { state, host, now: 6 }, cookies) !== null,
    );
    assert.deepEqual(found, [false, true, true, true, true, true]);
  });

  test('threat D9: a state of another browser, another host or none at all finds nothing', () => {
    const { transaction, setCookie } = begin(0);
    const cookies = cookiesOf(setCookie);
    const find = (state: string, at = host, field = cookies) =>
      findTransaction(sealer, { state, host: at, now: 1 }, field);

    assert.equal(find(begin(0).transaction.state), null);
    assert.equal(find(transaction.state, 'other.example.com'), null);
    assert.equal(find(transaction.state, host, ''), null);
    assert.equal(find(''), null);
    assert.equal(find(transaction.state.replace(/0$/, '1')), null);
  });

  test('threat D2: a cookie that comes twice counts as none', () => {
    const { transaction, setCookie } = begin(0);
    const cookies = cookiesOf(setCookie);

    assert.equal(
      findTransaction(sealer, { state: transaction.state, host, now: 1 }, `${cookies}; ${cookies}`),
      null,
    );
    assert.equal(readCookies('a=1; b=2; a=3').get('a'), undefined);
    assert.equal(readCookies('a=1; b=2; a=3').get('b'), '2');
  });

  test('after ten minutes it only remembers where the person wanted to go', () => {
    const { transaction, setCookie } = begin(0);

    const found = findTransaction(
      sealer,
      { state: transaction.state, host, now: 600_000 },
      cookiesOf(setCookie),
    );

    assert.equal(found?.isValid, false);
    assert.equal(found?.transaction.returnPath, '/p');
  });

  test('a state says how often its sign-in was begun again', () => {
    assert.equal(attemptOf(begin(0).transaction.state), 0);
    assert.equal(attemptOf('AAAAAAAAAAAAAAAAAAAAAA.1'), 1);
    assert.equal(attemptOf('anything else'), 0);
  });
});
