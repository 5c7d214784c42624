import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, test } from 'node:test';
import { type JWTHeaderParameters, SignJWT } from 'jose';
import type { TokenKey, TokenTrust } from '../feed/messages.ts';
import { TokenVerifier } from './access-tokens.ts';

const issuer = 'https://login.example.test';

interface Key {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly published: TokenKey;
}

function makeKey(kid: string): Key {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { kty, crv, x, y } = publicKey.export({ format: 'jwk' });
  return { kid, privateKey, published: { kid, kty: kty!, crv: crv!, x: x!, y: y! } };
}

const first = makeKey('first');
const second = makeKey('second');

function sign(
  key: Key,
  claims: Record<string, unknown> = {},
  header: Partial<JWTHeaderParameters> = {},
): Promise<string> {
  const now = Math.floor(Date.now() / 1_000);
  return new SignJWT({
    ...{ iss: issuer, aud: 'wiki', sub: 'ada', client_id: 'postern-cli', sid: 'session' },
    ...{ iat: now, exp: now + 3_600, ...claims },
  })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: key.kid, ...header })
    .sign(key.privateKey);
}

function verifier(...keys: readonly Key[]): TokenVerifier {
  const trust: TokenTrust = { issuer, keys: keys.map(key => key.published) };
  return new TokenVerifier(() => trust);
}

describe('an access token (RFC 9068)', () => {
  test('of a person names the person, the application and the session', async () => {
    const claims = await verifier(first, second).verify(await sign(second));

    assert.deepEqual(
      { ...claims, expiresAt: 0 },
      { subject: 'ada', applicationId: 'wiki', sessionId: 'session', credentialId: null, expiresAt: 0 },
    );
  });

  test('of a program names the credential', async () => {
    const token = await sign(first, { sub: 'backup', sid: undefined, postern_credential: 'key' });

    assert.equal((await verifier(first).verify(token))?.credentialId, 'key');
  });

  test('does not hold with another issuer, kind, key or subject, or without an end', async () => {
    const past = Math.floor(Date.now() / 1_000) - 60;
    const wrong = [
      await sign(first, { exp: past, iss: 'https://login.example.com' }),
      await sign(first, { exp: past }, { typ: 'JWT' }),
      await sign(second, { exp: past }),
      await sign(first, { iss: 'https://login.example.com' }),
      await sign(first, {}, { typ: 'JWT' }),
      await sign(second),
      await sign(second, {}, { kid: 'first' }),
      await sign(first, { exp: undefined }),
      await sign(first, { sub: undefined }),
      await sign(first, { aud: ['wiki', 'shop'] }),
      await sign(first, { sid: undefined }),
    ];

    for (const token of wrong) assert.equal(await verifier(first).verify(token), null, token);
  });

  test('that has expired says when: it was one of ours, and nobody has guessed', async () => {
    const tokens = verifier(first);
    const past = Math.floor(Date.now() / 1_000) - 60;
    const token = await sign(first, { exp: past });

    assert.equal((await tokens.verify(token))?.expiresAt, past * 1_000);
    assert.equal(tokens.known(token)?.expiresAt, past * 1_000);
  });

  test('does not hold with a byte changed, cut off or added, or cut short', async () => {
    const tokens = verifier(first);
    const token = await sign(first);
    await tokens.verify(token);

    for (const changed of [
      token.slice(0, -1),
      `${token}A`,
      `${token}.`,
      token.slice(0, token.lastIndexOf('.')),
    ]) {
      assert.equal(tokens.known(changed), undefined);
      assert.equal(await tokens.verify(changed), null);
    }
  });

  test('is remembered, until the keys change', async () => {
    let trust: TokenTrust = { issuer, keys: [first.published] };
    const tokens = new TokenVerifier(() => trust);
    const token = await sign(first);
    await tokens.verify(token);

    assert.equal(tokens.known(token)?.subject, 'ada');
    trust = { issuer, keys: [second.published] };

    assert.equal(tokens.known(token), undefined);
    assert.equal(await tokens.verify(token), null);
  });

  test('of another provider is not looked at', async () => {
    const tokens = verifier(first);

    assert.equal(tokens.mayBeOurs(await sign(first)), true);
    assert.equal(tokens.mayBeOurs(await sign(first, { iss: 'https://accounts.example.com' })), false);
    for (const other of ['', 'opaque', 'eyJ', 'a.b.c', 'eyJ.e30.x', `eyJ${'x'.repeat(5_000)}.e30.x`]) {
      assert.equal(tokens.mayBeOurs(other), false, other);
    }
  });
});
