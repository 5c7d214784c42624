import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import grpc from '@grpc/grpc-js';
import { makeCertificateFiles } from '../testbed/certificate-files.ts';
import { GrpcClient, type GrpcServer, startGrpcServer } from '../testbed/grpc-application.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'postern-grpc-'));
let plain: GrpcServer;
let secure: GrpcServer;
let bed: Testbed;

before(async () => {
  const tls = path.join(folder, 'tls');
  makeCertificateFiles(folder, tls, 'grpc.localhost');
  const read = (name: string) => readFileSync(path.join(folder, name), 'utf8');
  plain = await startGrpcServer();
  secure = await startGrpcServer({ cert: read('tls/access.pem'), key: read('tls/access.key') });
  const internalUrl = `http://127.0.0.1:${plain.port}/`;
  bed = await startTestbed({
    applications: [
      { name: 'plain', internalUrl, passthrough: true, publishing: { backendProtocol: 'h2c' } },
      {
        name: 'secure',
        internalUrl: `https://one.grpc.localhost:${secure.port}/`,
        passthrough: true,
        publishing: { backendProtocol: 'http2', backendCertificateAuthorities: read('ca.pem') },
      },
      { name: 'inside', internalUrl, publishing: { backendProtocol: 'h2c' } },
    ],
  });
});

after(async () => {
  await bed?.[Symbol.asyncDispose]();
  await plain?.[Symbol.asyncDispose]();
  await secure?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

function clientOf(application: string): GrpcClient {
  return new GrpcClient(`127.0.0.1:${bed.port}`, bed.hostOf(application), bed.ca);
}

for (const application of ['plain', 'secure']) {
  describe(`gRPC to a backend over HTTP/2, ${application}`, () => {
    test('a unary call has its metadata, its answer and its trailers', async () => {
      using client = clientOf(application);
      const metadata = new grpc.Metadata();
      metadata.set('x-colour', 'blue');
      metadata.set('x-thing-bin', Buffer.from([0, 255, 10, 13]));
      const { answer, head, trailers } = await client.unary(Buffer.from('hello'), metadata);
      assert.equal(answer.toString(), 'hello');
      assert.deepEqual(head.get('seen-x-colour'), ['blue']);
      assert.match(String(head.get('seen-x-forwarded-for')), /127\.0\.0\.1/);
      assert.deepEqual(trailers.get('x-length'), ['5']);
      assert.deepEqual(trailers.get('x-digest-bin'), [Buffer.from([0, 1, 254, 255])]);
    });

    test('an error keeps its status, its message and its metadata', async () => {
      using client = clientOf(application);
      await assert.rejects(client.unary(Buffer.from('fail')), (error: grpc.ServiceError) => {
        assert.equal(error.code, grpc.status.FAILED_PRECONDITION);
        assert.equal(error.details, 'as asked: ä');
        assert.deepEqual(error.metadata.get('x-why'), ['asked']);
        return true;
      });
    });

    test('a message of 4 MiB goes and comes back', async () => {
      using client = clientOf(application);
      const message = Buffer.alloc(4 * 1024 * 1024 - 64, 'x');
      const { answer } = await client.unary(message);
      assert.ok(answer.equals(message));
    });

    test('the server streams', async () => {
      using client = clientOf(application);
      let length = 0;
      let count = 0;
      for await (const message of client.download(300, 10_000)) {
        assert.equal(message[0], count % 256);
        length += message.length;
        count += 1;
      }
      assert.equal(count, 300);
      assert.equal(length, 3_000_000);
    });

    test('the client streams', async () => {
      using client = clientOf(application);
      const messages = Array.from({ length: 300 }, () => Buffer.alloc(10_000, 'y'));
      assert.equal(await client.upload(messages), '3000000');
    });

    test('both talk at a time, each message answered before the next', async () => {
      using client = clientOf(application);
      const call = client.talk();
      for (let index = 0; index < 20; index++) {
        call.write(Buffer.from(`message ${index}`));
        const [answer] = await once(call, 'data');
        assert.equal(String(answer), `re: message ${index}`);
      }
      call.end();
      const [status] = await once(call, 'status');
      assert.equal(status.code, grpc.status.OK);
    });

    test('200 calls at a time', async () => {
      using client = clientOf(application);
      const calls = Array.from({ length: 200 }, (_, index) => client.unary(Buffer.from(`call ${index}`)));
      const answers = await Promise.all(calls);
      answers.forEach(({ answer }, index) => {
        assert.equal(answer.toString(), `call ${index}`);
      });
    });
  });
}

test('a cancelled call is cancelled at the server', async () => {
  using client = clientOf('plain');
  const call = client.download(0, 0);
  const ended = once(call, 'error');
  await plain.opened;
  call.cancel();
  const [error] = await ended;
  assert.equal((error as grpc.ServiceError).code, grpc.status.CANCELLED);
  await plain.cancelled;
});

test('a deadline ends a call on both sides', async () => {
  using client = clientOf('secure');
  // Everything on the way is there before the time begins, so that the server gets the call within it.
  await client.unary(Buffer.from('hello'));
  const deadline = Date.now() + 3_000;
  await assert.rejects(client.unary(Buffer.from('never'), undefined, { deadline }), {
    code: grpc.status.DEADLINE_EXCEEDED,
  });
  await secure.cancelled;
});

test('whoever is not signed in at a pre-authenticated application is unauthenticated', async () => {
  using client = clientOf('inside');
  await assert.rejects(client.unary(Buffer.from('hello')), { code: grpc.status.UNAUTHENTICATED });
});

test('a credential of the application lets calls in, and does not reach the server', async () => {
  using client = clientOf('inside');
  const path = `/applications/${bed.applicationId('inside')}/addPassword`;
  const { body } = await bed.api('POST', path, { passwordCredential: { displayName: 'orders' } });
  const { clientId, secretText } = body as { clientId: string; secretText: string };
  const metadata = new grpc.Metadata();
  const secret = Buffer.from(`${clientId}:${secretText}`).toString('base64');
  metadata.set('authorization', `Basic ${secret}`);
  const { head } = await client.unary(Buffer.from('hello'), metadata);
  assert.match(String(head.get('seen-x-request-id')), /./);
  assert.deepEqual(head.get('seen-authorization'), []);
});

test('a session lets calls in, and the server learns whose they are', async () => {
  using client = clientOf('inside');
  const metadata = new grpc.Metadata();
  metadata.set('cookie', bed.cookie('inside'));
  const { head } = await client.unary(Buffer.from('hello'), metadata);
  assert.deepEqual(head.get('seen-x-forwarded-user'), ['ada']);
  assert.deepEqual(head.get('seen-cookie'), []);
});
