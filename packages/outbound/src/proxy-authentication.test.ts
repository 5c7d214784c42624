import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { answerDigest, chooseChallenge, parseChallenges } from './proxy-authentication.ts';

describe('RFC 7616 §3.9.1, the example of the standard', () => {
  const shared =
    'Digest realm="http-auth@example.org", qop="auth, auth-int", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"';
  const answer = (algorithm: string) => {
    const [challenge] = parseChallenges([`${shared}, algorithm=${algorithm}`]);
    return answerDigest(
      { ...challenge!, uses: 1 },
      { user: 'Mufasa', password: 'Circle of Life' },
      { method: 'GET', uri: '/dir/index.html' },
      'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
    );
  };

  test('MD5', () => {
    assert.equal(
      answer('MD5'),
      'Digest username="Mufasa", realm="http-auth@example.org", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", uri="/dir/index.html", response="8ca523f5e9506fed4657c9700eebdbec", algorithm=MD5, opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS", qop=auth, nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"',
    );
  });

  test('SHA-256', () => {
    assert.match(
      answer('SHA-256'),
      / response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1", /,
    );
  });
});

test('RFC 2069: without qop there is no count and no value of ours', () => {
  const [challenge] = parseChallenges([
    'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"',
  ]);

  const answer = answerDigest(
    challenge!,
    { user: 'Mufasa', password: 'CircleOfLife' },
    { method: 'GET', uri: '/dir/index.html' },
    'unused',
  );

  // By the formula of RFC 2069 §2.1.2, as corrected by its errata.
  assert.match(answer, /response="1949323746fe6a43ef61f9606e7febea"$/);
});

test('quotes and backslashes of a realm go back as they came, names beyond ASCII as UTF-8', () => {
  const [challenge] = parseChallenges([String.raw`Digest realm="a \"b\" \\ c", nonce="n"`]);

  const answer = answerDigest(
    challenge!,
    { user: 'Jörg', password: 'x' },
    { method: 'CONNECT', uri: 'h:1' },
    'c',
  );

  assert.ok(answer.includes(String.raw`realm="a \"b\" \\ c"`), answer);
  assert.equal(Buffer.from(/username="([^"]*)"/.exec(answer)![1]!, 'latin1').toString('utf8'), 'Jörg');
});

for (const [fields, schemes] of [
  [['Basic realm="x"'], ['Basic']],
  [
    ['NTLM', 'Negotiate'],
    ['NTLM', 'Negotiate'],
  ],
  [['Negotiate, NTLM, Basic realm="a, Digest b"'], ['Negotiate', 'NTLM', 'Basic']],
  [['Negotiate YII==, Basic realm=x'], ['Negotiate', 'Basic']],
  [['Digest realm="x", nonce="n", qop="auth", Basic realm="y"'], ['Digest', 'Basic']],
  [[''], []],
  [['"'], []],
  [['Basic realm="never closed'], ['Basic']],
] as const) {
  test(`the schemes of ${JSON.stringify(fields)}`, () => {
    assert.deepEqual(
      parseChallenges(fields).map(one => one.scheme),
      schemes,
    );
  });
}

for (const [fields, chosen] of [
  [['Basic realm="x"', 'Digest realm="x", nonce="n", algorithm=SHA-512-256'], 'Digest'],
  [['Digest realm="x", nonce="n", algorithm=SHA-3'], undefined],
  [['Digest realm="x", nonce="n", qop="auth-int"', 'basic realm="x"'], 'basic'],
  [['NTLM'], undefined],
] as const) {
  test(`of ${JSON.stringify(fields)} ${chosen ?? 'none'} is chosen`, () => {
    assert.equal(chooseChallenge(parseChallenges(fields))?.scheme, chosen);
  });
}

test('a field as long as a proxy likes is read in a moment', () => {
  const challenges = parseChallenges([`Digest ${'a="\\"",'.repeat(100_000)}`]);

  assert.equal(challenges[0]!.scheme, 'Digest');
});
