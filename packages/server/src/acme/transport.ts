import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { getCACertificates } from 'node:tls';
import { type Outbound, OutboundError } from '@postern/outbound/outbound';
import { request } from 'undici';
import { createOutboundAgent } from '../outbound/outbound-agent.ts';
import { AcmeError } from './acme-error.ts';

export interface AcmeRequest {
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly url: string;
  readonly body?: string;
}

export interface AcmeResponse {
  readonly status: number;
  /** Null where the field is not there. */
  header(name: string): string | null;
  readonly body: string;
}

/** How an ACME server is reached. */
export type AcmeTransport = (request: AcmeRequest, signal: AbortSignal) => Promise<AcmeResponse>;

const timeoutMs = 30_000;
/** Between attempts where there is no connection; a longer outage is a matter for the next turn. */
const pausesMs = [1_000, 4_000];
/** A chain of certificates; nothing that a server says is longer. */
const maxAnswerBytes = 256 * 1024;

/**
 * @param caFile PEM file of the authority that issued the server's certificate; empty: those that Node knows.
 * @throws AcmeError `unreachable`, `not_acme`.
 */
export function createTransport(outbound: Outbound, caFile: string): AcmeTransport {
  const send: AcmeTransport = async ({ method, url, body }, signal) => {
    if (!url.startsWith('https:')) {
      throw new AcmeError('not_acme', `${originOf(url)} is not spoken to over TLS.`, checkUrl);
    }
    // A connection of its own for each request: there are few, and none is left open between renewals.
    const agent = createOutboundAgent(outbound, await authorities(caFile));
    try {
      const answer = await request(url, {
        method,
        headers: {
          'user-agent': 'Postern',
          ...(body === undefined ? {} : { 'content-type': 'application/jose+json' }),
        },
        ...(body === undefined ? {} : { body }),
        dispatcher: agent,
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      const text = await readBounded(answer.body);
      return {
        status: answer.statusCode,
        header: name => {
          const value = answer.headers[name];
          return (Array.isArray(value) ? value[0] : value) ?? null;
        },
        body: text,
      };
    } catch (error) {
      signal.throwIfAborted();
      throw explain(error, url);
    } finally {
      await agent.destroy();
    }
  };
  return async (asked, signal) => {
    for (const pauseMs of pausesMs) {
      try {
        return await send(asked, signal);
      } catch (error) {
        // What a request asks for is done once, however often it arrives: its nonce is good for one (RFC 8555 §6.5).
        if (!(error instanceof AcmeError) || error.code !== 'unreachable') throw error;
        await delay(pauseMs, undefined, { signal });
      }
    }
    return send(asked, signal);
  };
}

const checkUrl = 'Check certificates.acme.directoryUrl.';

async function authorities(caFile: string): Promise<{ ca?: readonly string[] }> {
  if (caFile === '') return {};
  try {
    return { ca: [...getCACertificates('default'), await readFile(caFile, 'utf8')] };
  } catch (cause) {
    const { code = 'error' } = cause as NodeJS.ErrnoException;
    throw new AcmeError(
      'unreachable',
      `${caFile} (certificates.acme.caFile) cannot be read (${code}).`,
      'Name a PEM file that the service can read.',
      { cause },
    );
  }
}

async function readBounded(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxAnswerBytes) throw new Error('the answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function explain(error: unknown, url: string): AcmeError {
  if (error instanceof AcmeError) return error;
  const cause = { cause: error };
  if (error instanceof OutboundError) return new AcmeError('unreachable', error.message, error.remedy, cause);
  const { code = '', name, message } = error as Error & { code?: string };
  if (/CERT|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(code)) {
    const text = `The certificate of ${originOf(url)} is not trusted (${code}).`;
    const remedy = 'If it is an authority of your own, name its root in certificates.acme.caFile.';
    return new AcmeError('unreachable', text, remedy, cause);
  }
  const why = name === 'TimeoutError' ? 'no answer in time' : code === '' ? message : code;
  return new AcmeError(
    'unreachable',
    `The authority at ${originOf(url)} cannot be reached (${why}).`,
    'Check certificates.acme.directoryUrl, and that this machine may make connections there.',
    cause,
  );
}

function originOf(url: string): string {
  return URL.parse(url)?.origin ?? 'the address that was given';
}
