import 'reflect-metadata';
import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type Extension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import {
  type RegistrationResult,
  registrationError,
  registrationResult,
  reregistrationStatement,
} from '@postern/protocol/registration';
import { keyUsageOids, sha256Of } from '@postern/protocol/x509/certificate';
import fastify, { type FastifyInstance } from 'fastify';
import type { Kysely } from 'kysely';
import { createConnectorGroup } from '../directory/connector-groups.ts';
import { revokeConnector } from '../directory/connectors.ts';
import { Directory } from '../directory/directory.ts';
import {
  createEnrolmentToken,
  type EnrolmentTokenInput,
  revokeEnrolmentToken,
} from '../directory/enrolment-tokens.ts';
import { findConnector } from '../store/connectors.ts';
import { findEnrolmentToken } from '../store/enrolment-tokens.ts';
import { openStore } from '../store/open.ts';
import type { Database } from '../store/schema.ts';
import { SealedSecrets } from '../store/sealed-secrets.ts';
import { type Authorities, openAuthorities } from './authorities.ts';
import { type RegistrationEvent, registerRegistration } from './register.ts';

type Signing = { readonly name: string; readonly namedCurve?: string; readonly hash: string };

const rsaSha512: Signing = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-512' };

const roles: Record<string, readonly string[]> = {
  admin: ['Application Administrator'],
  global: ['Global Administrator'],
  reader: ['Reader'],
  nobody: [],
};

let folder: string;
let db: Kysely<Database>;
let directory: Directory;
/** Of the service's clock. */
let offsetMs = 0;
let authorities: Authorities;
let app: FastifyInstance;
const published: string[] = [];
const events: RegistrationEvent[] = [];

before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'postern-registration-'));
  db = await openStore(path.join(folder, 'postern.db'));
  const now = () => Date.now() + offsetMs;
  directory = new Directory({ db, address: { domain: 'example.com', publicPort: 8443 }, now });
  const secrets = new SealedSecrets(db, Buffer.alloc(32, 7));
  authorities = await openAuthorities({ secrets, domain: 'example.com', now: Date.now });
  app = fastify();
  registerRegistration(app, {
    db,
    authorities,
    domain: 'example.com',
    publicPort: 8443,
    // Tokens of this test are `<user>.<scope>`.
    authenticate: async token => {
      const [userId = '', scope = ''] = token.split('.');
      return Object.hasOwn(roles, userId) ? { userId, scopes: [scope] } : null;
    },
    rolesOf: async userId => roles[userId] ?? [],
    publishConnector: connectorId => void published.push(connectorId),
    record: event => void events.push(event),
    now,
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
});

after(async () => {
  await app.close();
  await db.destroy();
  rmSync(folder, { recursive: true });
});

describe('registering', () => {
  for (const [title, key, signing] of [
    ['RSA 3072', rsa(3072), rsaSha512],
    ['P-384', ec('P-384'), ecdsa('P-384', 'SHA-512')],
    ['P-256', ec('P-256'), ecdsa('P-256', 'SHA-512')],
  ] as const) {
    test(`an administrator gets a trust certificate for a ${title} key, recorded and published`, async () => {
      const answer = await post({ ...form(await proof(key, signing)), machineName: 'srv-01.corp.example' });

      assert.equal(answer.status, 201);
      const result = registrationResult.parse(answer.body);
      const certificate = new X509Certificate(result.certificate);
      const issuer = new X509Certificate(authorities.registration.certificate);
      assert.equal(certificate.subject, `CN=${result.connectorId}\nO=srv-01.corp.example`);
      assert.equal(certificate.issuer, 'CN=connectorregistrationca.example.com');
      assert.equal(certificate.signatureAlgorithm, 'sha512WithRSAEncryption');
      assert.ok(certificate.verify(issuer.publicKey));
      assert.ok(certificate.checkPrivateKey(key.privateKey));
      assert.equal(certificate.ca, false);
      assert.deepEqual(certificate.keyUsage, [keyUsageOids.clientAuth]);
      assert.equal(certificate.subjectAltName, undefined);
      assert.match(certificate.serialNumber, /^[4-7][0-9A-F]{31}$/);
      assert.deepEqual(result.tunnelAnchors, [authorities.service.certificate]);
      assert.deepEqual([result.tunnelHost, result.tunnelPort], ['connect.example.com', 8443]);

      assert.equal((await findConnector(db, result.connectorId))?.machineName, 'srv-01.corp.example');
      const recorded = await db
        .selectFrom('connectorCertificate')
        .select(['serial', 'sha256', 'revokedAt'])
        .where('connectorId', '=', result.connectorId)
        .executeTakeFirst();
      const sha256 = certificate.fingerprint256.replaceAll(':', '');
      assert.deepEqual({ ...recorded }, { serial: certificate.serialNumber, sha256, revokedAt: null });
      assert.equal(published.at(-1), result.connectorId);
    });
  }

  test('the certificate is valid from 48 hours ago for 180 days', async () => {
    const result = await registered();

    const certificate = new X509Certificate(result.certificate);
    const now = Date.now();
    assert.ok(Math.abs(now - 48 * 3_600_000 - certificate.validFromDate.getTime()) < 60_000);
    assert.ok(Math.abs(now + 180 * 86_400_000 - certificate.validToDate.getTime()) < 60_000);
  });

  test('what the proof asks for is not taken over', async () => {
    const key = rsa(2048);
    const greedy = await proof(key, rsaSha512, {
      name: 'CN=connect.example.com, O=Somebody Else',
      extensions: [
        new BasicConstraintsExtension(true, 5, true),
        new ExtendedKeyUsageExtension([keyUsageOids.serverAuth, '2.5.29.37.0']),
        new SubjectAlternativeNameExtension([{ type: 'dns', value: '*.example.com' }]),
      ],
    });

    const answer = await post(form(greedy));

    const result = registrationResult.parse(answer.body);
    const certificate = new X509Certificate(result.certificate);
    assert.equal(certificate.subject, `CN=${result.connectorId}\nO=srv`);
    assert.equal(certificate.ca, false);
    assert.deepEqual(certificate.keyUsage, [keyUsageOids.clientAuth]);
    assert.equal(certificate.subjectAltName, undefined);
  });

  test('a proof from a machine whose clock is years off is accepted', async () => {
    const old = await proof(rsa(2048), rsaSha512, {
      notBefore: new Date('2001-01-01'),
      notAfter: new Date('2001-01-02'),
    });

    assert.equal((await post(form(old))).status, 201);
  });

  test('one proof sent fifty times at once gives one connector', async () => {
    const body = form(await proof(rsa(2048), rsaSha512));

    const answers = await Promise.all(Array.from({ length: 50 }, () => post(body)));

    const results = answers.map(answer => registrationResult.parse(answer.body));
    assert.equal(new Set(results.map(result => result.connectorId)).size, 1);
    assert.equal(new Set(results.map(result => result.certificate)).size, 1, 'and one certificate');
    const recorded = await db
      .selectFrom('connectorCertificate')
      .select('serial')
      .where('connectorId', '=', results[0]!.connectorId)
      .execute();
    assert.equal(recorded.length, 1);
  });

  test('a proof is good for ten minutes, and no longer than its connector', async t => {
    t.after(() => {
      offsetMs = 0;
    });
    const late = form(await proof(rsa(2048), rsaSha512));
    const revoked = form(await proof(rsa(2048), rsaSha512));
    await post(late);
    const { connectorId } = registrationResult.parse((await post(revoked)).body);
    await revokeConnector(directory, connectorId);

    const afterRevocation = await post(revoked);
    offsetMs = 600_001;
    const afterTenMinutes = await post(late);

    for (const answer of [afterRevocation, afterTenMinutes]) {
      assert.deepEqual([answer.status, codeOf(answer)], [409, 'proof_already_used']);
    }
  });

  test('a machine name longer than an organization may be is cut in the certificate only', async () => {
    const machineName = `a${'b'.repeat(200)}`;

    const answer = await post({ ...form(await proof(rsa(2048), rsaSha512)), machineName });

    const result = registrationResult.parse(answer.body);
    assert.match(
      new X509Certificate(result.certificate).subject,
      new RegExp(`O=${machineName.slice(0, 64)}$`),
    );
    assert.equal((await findConnector(db, result.connectorId))?.machineName, machineName);
  });
});

describe('who may register', () => {
  const cases = [
    ['no token', '', 401, 'not_authenticated'],
    ['an unknown token', 'Bearer mallory.api', 401, 'not_authenticated'],
    ['another scheme', 'Basic YWRtaW46eA==', 401, 'not_authenticated'],
    ['a token with a space in it', 'Bearer admin.api x', 401, 'not_authenticated'],
    ['a token of another purpose', 'Bearer admin.openid', 403, 'not_authorized'],
    ['a person without role', 'Bearer nobody.api', 403, 'not_authorized'],
    ['a person with another role', 'Bearer reader.register', 403, 'not_authorized'],
  ] as const;

  for (const [title, authorization, status, code] of cases) {
    test(`${title}: ${status}, before the body is read`, async () => {
      const answer = await post('no JSON at all', authorization);

      assert.equal(answer.status, status);
      const { error } = registrationError.parse(answer.body);
      assert.equal(error.code, code);
      assert.equal(error.category, 'admin_authentication');
      assert.match(error.remedy ?? '', /postern login/);
    });
  }

  test('who lacks the role is told the role held, the one needed, and who can grant it', async () => {
    const refusalOf = async (authorization: string) =>
      registrationError.parse((await post('', authorization)).body).error;

    const { message, remedy } = await refusalOf('Bearer reader.api');

    assert.match(message, /holds the role Reader; .* Application Administrator or Global Administrator/);
    assert.match(remedy ?? '', /A Global Administrator can grant it/);
    assert.match((await refusalOf('Bearer nobody.api')).message, /holds no role/);
  });

  for (const authorization of ['Bearer admin.api', 'bearer global.register']) {
    test(`"${authorization}" may`, async () => {
      assert.equal((await post(form(await proof(rsa(2048), rsaSha512)), authorization)).status, 201);
    });
  }

  test('no event holds a token', () => {
    assert.ok(events.some(event => event.kind === 'connector_registration_refused'));
    assert.doesNotMatch(JSON.stringify(events), /admin\.api|mallory|bearer/i);
  });
});

describe('an enrolment token', () => {
  async function make(more: Partial<EnrolmentTokenInput> = {}) {
    const input = { maxUses: 1, lifetimeMs: 3_600_000, createdBy: 'admin', ...more };
    const { row, secret } = await createEnrolmentToken(directory, input);
    return { id: row.id, authorization: `Enrolment ${secret}`, secret };
  }
  const newProof = async () => form(await proof(ec('P-256'), ecdsa('P-256', 'SHA-512')));

  test('registers a connector of its group, and says so in the log', async () => {
    const group = await createConnectorGroup(directory, { name: 'Enrolled' });
    const token = await make({ connectorGroupId: group.id });

    const answer = await post(await newProof(), token.authorization);

    const result = registrationResult.parse(answer.body);
    assert.equal(result.connectorGroupId, group.id);
    assert.equal((await findConnector(db, result.connectorId))?.groupId, group.id);
    const event = events.at(-1);
    assert.ok(event?.kind === 'connector_registered');
    assert.deepEqual([event.userId, event.enrolmentTokenId], ['admin', token.id]);
  });

  test('for three connectors gives three of fifty that ask at once', async () => {
    const token = await make({ maxUses: 3 });
    const bodies = await Promise.all(Array.from({ length: 50 }, newProof));

    const answers = await Promise.all(bodies.map(body => post(body, token.authorization)));

    const refused = answers.filter(answer => answer.status !== 201);
    assert.equal(refused.length, 47);
    assert.ok(refused.every(answer => answer.status === 403 && codeOf(answer) === 'enrolment_token_used_up'));
    assert.equal((await findEnrolmentToken(db, token.id))?.uses, 3);
    const { error } = registrationError.parse(refused[0]!.body);
    assert.equal(error.category, 'admin_authentication');
    assert.match(error.message, /used up: 3 connectors registered with it/);
    assert.match(error.remedy ?? '', /enrolment-token create/);
  });

  test('that is used up still answers the request that used it, whose answer may have been lost', async () => {
    const token = await make();
    const other = await make();
    const body = await newProof();
    const first = registrationResult.parse((await post(body, token.authorization)).body);

    const again = registrationResult.parse((await post(body, token.authorization)).body);

    assert.deepEqual(again, first);
    assert.equal((await findEnrolmentToken(db, token.id))?.uses, 1);
    assert.equal(codeOf(await post(await newProof(), token.authorization)), 'enrolment_token_used_up');
    assert.equal(codeOf(await post(body, other.authorization)), 'proof_already_used');
    assert.equal(codeOf(await post(body)), 'proof_already_used');
  });

  test('is not used up by registrations that fail', async () => {
    const token = await make();
    const weak = form(await proof(rsa(1024), rsaSha512));
    const used = await newProof();
    await post(used);

    for (const [body, code] of [
      [weak, 'weak_key'],
      [used, 'proof_already_used'],
      [{}, 'bad_request'],
      [
        { ...(await newProof()), connectorGroupId: '00000000-0000-4000-8000-000000000000' },
        'enrolment_token_group',
      ],
    ] as const) {
      assert.equal(codeOf(await post(body, token.authorization)), code);
    }

    assert.equal((await findEnrolmentToken(db, token.id))?.uses, 0);
    assert.equal((await post(await newProof(), token.authorization)).status, 201);
  });

  test('that expired, was revoked or is unknown says which, before the body is read', async t => {
    const expired = await make({ lifetimeMs: 60_000 });
    const revoked = await make();
    await revokeEnrolmentToken(directory, revoked.id);
    offsetMs = 60_001;
    t.after(() => {
      offsetMs = 0;
    });

    for (const [authorization, status, code, message] of [
      [expired.authorization, 403, 'enrolment_token_expired', /expired at 2\d{3}-/],
      [revoked.authorization, 403, 'enrolment_token_revoked', /was revoked by an administrator at 2\d{3}-/],
      [
        `Enrolment ${randomBytes(32).toString('base64url')}`,
        401,
        'enrolment_token_unknown',
        /another service/,
      ],
    ] as const) {
      const answer = await post('no JSON at all', authorization);

      const { error } = registrationError.parse(answer.body);
      assert.deepEqual([answer.status, error.code], [status, code]);
      assert.equal(error.category, 'admin_authentication');
      assert.match(error.message, message);
      assert.match(error.remedy ?? '', /postern connector enrolment-token create/);
    }
  });

  test('ends with the role of whoever made it', async () => {
    const token = await make({ createdBy: 'reader' });

    const answer = await post(await newProof(), token.authorization);

    assert.deepEqual([answer.status, codeOf(answer)], [403, 'enrolment_token_revoked']);
    assert.match(registrationError.parse(answer.body).error.message, /no longer Application Administrator/);
  });

  test('is kept as a hash, and is in no event', async () => {
    const token = await make();
    await post({}, token.authorization);

    const rows = await db.selectFrom('enrolmentToken').selectAll().execute();

    assert.doesNotMatch(JSON.stringify(rows) + JSON.stringify(events), new RegExp(token.secret));
  });
});

describe('registering again', () => {
  async function again(
    first: { readonly result: RegistrationResult; readonly key: Pair },
    authorization?: string,
    more: object = {},
  ): Promise<Answer> {
    const body = form(await proof(ec('P-384'), ecdsa('P-384', 'SHA-512')));
    return post({ ...body, previous: previousOf(first, body.proofCertificate), ...more }, authorization);
  }
  function previousOf(first: { result: RegistrationResult; key: Pair }, proofCertificate: string) {
    const { fingerprint256 } = new X509Certificate(first.result.certificate);
    const signature = sign('sha512', reregistrationStatement(proofCertificate), first.key.privateKey);
    return { certificateSha256: fingerprint256.replaceAll(':', ''), signature: signature.toString('base64') };
  }
  async function first(key: Pair = rsa(2048), signing = rsaSha512) {
    const answer = await post({ ...form(await proof(key, signing)), machineName: 'old-name' });
    return { key, result: registrationResult.parse(answer.body) };
  }

  for (const [title, key, signing] of [
    ['RSA', rsa(2048), rsaSha512],
    ['P-384', ec('P-384'), ecdsa('P-384', 'SHA-512')],
  ] as const) {
    test(`with proof of the old ${title} key keeps id and group, also when its certificate has expired`, async t => {
      const known = await first(key, signing);
      const group = await createConnectorGroup(directory, { name: `Again ${title}` });
      await db
        .updateTable('connector')
        .set({ groupId: group.id })
        .where('id', '=', known.result.connectorId)
        .execute();
      offsetMs = 200 * 86_400_000;
      t.after(() => {
        offsetMs = 0;
      });

      const result = registrationResult.parse((await again(known)).body);

      assert.equal(result.connectorId, known.result.connectorId);
      assert.equal(result.connectorGroupId, group.id);
      assert.notEqual(result.certificate, known.result.certificate);
      assert.equal((await findConnector(db, result.connectorId))?.machineName, 'srv');
      assert.equal(published.at(-1), result.connectorId);
      const event = events.at(-1);
      assert.ok(event?.kind === 'connector_registered' && event.isReregistration);
    });
  }

  test('while an authority of the service is announced answers with both; only who is new is known to have it', async () => {
    const known = await first();
    const { service } = authorities.rotating;
    await service.announce(Date.now());
    const [present, next] = service.all.map(({ certificate }) => certificate);
    const keptBy = async ({ connectorId }: RegistrationResult) =>
      (await findConnector(db, connectorId))?.keptAnchor;

    const renewed = registrationResult.parse((await again(known)).body);
    const young = (await first()).result;

    assert.deepEqual(renewed.tunnelAnchors, [present, next]);
    assert.deepEqual(young.tunnelAnchors, [present, next]);
    assert.equal(await keptBy(renewed), null, 'the answer may not reach it');
    assert.equal(await keptBy(young), sha256Of(new X509Certificate(next!)));
  });

  test('a revoked connector stays revoked: its key makes a new one by the right of the administrator only', async () => {
    const known = await first();
    await revokeConnector(directory, known.result.connectorId);

    const result = registrationResult.parse((await again(known)).body);
    const withoutRight = await again(known, '');

    assert.notEqual(result.connectorId, known.result.connectorId);
    assert.notEqual((await findConnector(db, known.result.connectorId))?.revokedAt, null);
    assert.equal(withoutRight.status, 401);
  });

  test('the old key alone, without an administrator or a token, is refused', async () => {
    const known = await first();

    assert.equal((await again(known, '')).status, 401);
    assert.equal((await again(known, 'Bearer nobody.api')).status, 403);
  });

  test('a signature over another proof, or by another key, is refused and leaves nothing behind', async () => {
    const known = await first();
    const other = await first();
    const replayed = previousOf(known, await proof(rsa(2048), rsaSha512));
    const stolen = previousOf({ result: known.result, key: other.key }, await proof(rsa(2048), rsaSha512));

    for (const previous of [replayed, stolen]) {
      const answer = await again(known, undefined, { previous });
      assert.deepEqual([answer.status, codeOf(answer)], [400, 'bad_proof']);
    }

    const certificates = await db
      .selectFrom('connectorCertificate')
      .select('serial')
      .where('connectorId', '=', known.result.connectorId)
      .execute();
    assert.equal(certificates.length, 1);
  });

  test('an enrolment token of another group moves no connector', async () => {
    const known = await first();
    const group = await createConnectorGroup(directory, { name: 'Elsewhere' });
    const input = { maxUses: 1, lifetimeMs: 60_000, createdBy: 'admin', connectorGroupId: group.id };
    const { secret } = await createEnrolmentToken(directory, input);

    const answer = await again(known, `Enrolment ${secret}`);

    assert.deepEqual([answer.status, codeOf(answer)], [403, 'enrolment_token_group']);
    assert.match(registrationError.parse(answer.body).error.remedy ?? '', /--new/);
  });

  test('a certificate that the service does not know makes a new connector', async () => {
    const known = await first();
    const previous = { ...previousOf(known, known.result.certificate), certificateSha256: 'AB'.repeat(32) };

    const result = registrationResult.parse((await again(known, undefined, { previous })).body);

    assert.notEqual(result.connectorId, known.result.connectorId);
  });
});

describe('proofs that are refused', () => {
  const weak = 'weak_key';
  const bad = 'bad_proof';
  const cases: readonly [string, () => Promise<string> | string, string][] = [
    ['RSA with 1024 bits', () => proof(rsa(1024), rsaSha512), weak],
    ['RSA with the exponent 3', () => proof(rsa(2048, 3), rsaSha512), weak],
    ['P-521', () => proof(ec('P-521'), ecdsa('P-521', 'SHA-512')), weak],
    ['a SHA-256 signature', () => proof(rsa(2048), { ...rsaSha512, hash: 'SHA-256' }), bad],
    ['a signature of another key', () => proof(rsa(2048), rsaSha512, { signer: rsa(2048) }), bad],
    ['a changed byte', async () => changeByte(await proof(rsa(2048), rsaSha512)), bad],
    ['two certificates', async () => (await proof(rsa(2048), rsaSha512)).repeat(2), bad],
    ['no PEM', () => 'hello', bad],
    ['PEM around garbage', () => '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', bad],
    ['an empty text', () => '', bad],
    [
      'more text than a certificate has',
      async () => (await proof(rsa(2048), rsaSha512)) + ' '.repeat(9000),
      bad,
    ],
  ];

  for (const [title, make, code] of cases) {
    test(title, async () => {
      const answer = await post(form(await make()));

      assert.equal(answer.status, 400);
      const { error } = registrationError.parse(answer.body);
      assert.equal(error.code, code);
      assert.equal(error.category, 'trust_establishment');
    });
  }
});

describe('other requests that are refused', () => {
  test('a body of a megabyte is not collected', async () => {
    const answer = await post(form('x'.repeat(1_000_000)));

    assert.deepEqual([answer.status, codeOf(answer)], [400, 'bad_request']);
  });

  for (const machineName of [
    '$(reboot)',
    'a b',
    '-rf',
    'a\nb',
    '"x"',
    '<b>',
    "a'b",
    '',
    'ä',
    'a'.repeat(300),
  ]) {
    test(`the machine name ${JSON.stringify(machineName.slice(0, 20))}`, async () => {
      const answer = await post({ ...form(await proof(rsa(2048), rsaSha512)), machineName });

      assert.deepEqual([answer.status, codeOf(answer)], [400, 'bad_request']);
    });
  }

  for (const body of ['', '[]', 'null', '{', '{"__proto__":{"a":1}}', '{"machineName":"x"}']) {
    test(`the body ${body || '(empty)'}`, async () => {
      assert.deepEqual([(await post(body)).status, codeOf(await post(body))], [400, 'bad_request']);
    });
  }

  test('a field that the service does not know', async () => {
    const answer = await post({
      ...form(await proof(rsa(2048), rsaSha512)),
      roles: ['Global Administrator'],
    });

    assert.deepEqual([answer.status, codeOf(answer)], [400, 'bad_request']);
  });

  test('a connector group that does not exist leaves nothing behind', async () => {
    const body = form(await proof(rsa(2048), rsaSha512));

    const refused = await post({ ...body, connectorGroupId: '00000000-0000-0000-0000-000000000000' });

    assert.deepEqual([refused.status, codeOf(refused)], [400, 'unknown_connector_group']);
    assert.equal((await post(body)).status, 201, 'the proof is not used up');
  });

  test('another host does not have the route', async () => {
    const body = form(await proof(rsa(2048), rsaSha512));

    assert.equal((await post(body, 'Bearer admin.api', 'login.example.com')).status, 404);
    assert.equal((await post(body, 'Bearer admin.api', 'connect-example.com')).status, 404);
    assert.equal((await post(body, 'Bearer admin.api', 'CONNECT.example.com')).status, 201);
  });
});

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

function ecdsa(namedCurve: string, hash: string): Signing {
  return { name: 'ECDSA', namedCurve, hash };
}

function rsa(modulusLength: number, publicExponent = 65_537): Pair {
  return generateKeyPairSync('rsa', { modulusLength, publicExponent });
}

function ec(namedCurve: string): Pair {
  return generateKeyPairSync('ec', { namedCurve });
}

async function proof(
  { publicKey, privateKey }: Pair,
  signing: Signing,
  more: { name?: string; extensions?: Extension[]; notBefore?: Date; notAfter?: Date; signer?: Pair } = {},
): Promise<string> {
  const signer = more.signer?.privateKey ?? privateKey;
  const certificate = await X509CertificateGenerator.create({
    subject: more.name ?? 'CN=proof',
    issuer: more.name ?? 'CN=proof',
    publicKey: publicKey.export({ type: 'spki', format: 'der' }),
    signingKey: signer.toCryptoKey(signing, false, ['sign']),
    signingAlgorithm: signing,
    ...(more.extensions && { extensions: more.extensions }),
    ...(more.notBefore && { notBefore: more.notBefore }),
    ...(more.notAfter && { notAfter: more.notAfter }),
  });
  return certificate.toString('pem');
}

function changeByte(pem: string): string {
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  der[der.length - 1] = der[der.length - 1]! ^ 1;
  return `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`;
}

function form(proofCertificate: string) {
  return { proofCertificate, machineName: 'srv', version: '0.1.0', os: 'Linux 6.1' };
}

async function registered(): Promise<RegistrationResult> {
  return registrationResult.parse((await post(form(await proof(rsa(2048), rsaSha512)))).body);
}

function codeOf(answer: Answer): string {
  return registrationError.parse(answer.body).error.code;
}

function post(
  body: object | string,
  authorization = 'Bearer admin.api',
  host = 'connect.example.com:8443',
): Promise<Answer> {
  const { port } = app.server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    const headers = { host, 'content-type': 'application/json', ...(authorization && { authorization }) };
    const request = httpRequest({ port, host: '127.0.0.1', method: 'POST', path: '/register', headers });
    request.on('error', reject);
    request.on('response', async response => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      resolve({ status: response.statusCode!, body: JSON.parse(Buffer.concat(chunks).toString('utf8')) });
    });
    request.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
}
