import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { createServer, type Server as HttpsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { issueServerLeaf } from '../registration/authorities.ts';
import { createAuthority, openSigner } from '../registration/signer.ts';

/** A certificate for `localhost` or other names, and the authority that issued it, PEM. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
  readonly authority: string;
}

export async function createTestCertificate(
  names: readonly string[] = ['localhost'],
): Promise<TestCertificate> {
  const signer = openSigner(await createAuthority('p384', 'Test authority', Date.now()));
  const { certificate, privateKey } = await issueServerLeaf(signer, names, Date.now());
  return { cert: certificate, key: privateKey, authority: signer.certificate };
}

/** A message as the mail server took it. */
export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly text: string;
  readonly user: string | undefined;
  readonly isEncrypted: boolean;
}

/** A real mail server on a free port of this machine. */
export interface TestMailServer extends AsyncDisposable {
  readonly port: number;
  readonly mails: readonly ReceivedMail[];
}

export async function startMailServer(
  { cert, key }: TestCertificate,
  options: SMTPServerOptions = {},
): Promise<TestMailServer> {
  const mails: ReceivedMail[] = [];
  const server = new SMTPServer({
    cert,
    key,
    logger: false,
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope;
        mails.push({
          from: mailFrom ? mailFrom.address : '',
          to: rcptTo.map(({ address }) => address),
          text: Buffer.concat(chunks).toString('utf8'),
          user: typeof session.user === 'string' ? session.user : undefined,
          isEncrypted: session.secure,
        });
        done();
      });
    },
    ...options,
  });
  // A client that does not trust the certificate ends the handshake.
  server.on('error', () => {});
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  return {
    port: (server.server.address() as AddressInfo).port,
    mails,
    [Symbol.asyncDispose]: () => new Promise(resolve => server.close(() => resolve())),
  };
}

/** A request as the receiver of a webhook got it. */
export interface ReceivedRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A real HTTPS receiver; answers with the statuses in their order, the last one again and again. */
export interface TestReceiver extends AsyncDisposable {
  readonly origin: string;
  readonly requests: readonly ReceivedRequest[];
  readonly statuses: number[];
}

export async function startReceiver(certificate: TestCertificate): Promise<TestReceiver> {
  const requests: ReceivedRequest[] = [];
  const statuses = [204];
  const options: ServerOptions = { cert: certificate.cert, key: certificate.key };
  const server: HttpsServer = createServer(options, async (request, answer) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { headers, url = '' } = request;
    requests.push({ path: url, headers, body: Buffer.concat(chunks).toString('utf8') });
    const status = statuses.length > 1 ? statuses.shift()! : statuses[0]!;
    // For redirections: back here, so that one that was followed would be seen.
    answer.writeHead(status, { location: '/elsewhere' }).end();
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `https://localhost:${(server.address() as AddressInfo).port}`,
    requests,
    statuses,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
