import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MessageHead } from '../http1/head.ts';
import type { Tunnel } from '../tunnels/tunnel.ts';
import type { BackendCarrier, ResponseSink } from './exchange.ts';
import { exchangeForTests } from './exchange-for-tests.ts';
import { EdgeError, type FailureCode } from './failure.ts';

const ignore = () => {};
const tunnel = { connectorId: 'a' } as Tunnel;
const client = { isWritable: true, onFailure: ignore, onRequestDrain: ignore } as unknown as ResponseSink;

/** Sends a request on a connection, loses it, and says which tunnels the next attempt is to keep away from. */
function tunnelsToAvoid(offset: number, code: FailureCode): (ReadonlySet<Tunnel> | null)[] {
  const asked: (ReadonlySet<Tunnel> | null)[] = [];
  const connector = {
    connect: (_exchange: unknown, failedOn: ReadonlySet<Tunnel> | null) => void asked.push(failedOn),
  };
  const exchange = exchangeForTests(client, connector);
  const connection = { tunnel, offset, attach: ignore, write: () => true } as unknown as BackendCarrier;
  exchange.start();
  exchange.useConnection(connection);
  exchange.onConnectionLost(connection, new EdgeError(code), false);
  return asked;
}

test('a request that failed on a connection of its own is sent through another connector', () => {
  assert.deepEqual(tunnelsToAvoid(0, 'backend_closed'), [null, new Set([tunnel])]);
});

test('a used connection was perhaps just too old, and another of its connector may serve', () => {
  assert.deepEqual(tunnelsToAvoid(100, 'backend_closed'), [null, null]);
});

test('a used connection whose tunnel was lost is not followed by the other tunnel of that connector', () => {
  assert.deepEqual(tunnelsToAvoid(100, 'tunnel_lost'), [null, new Set([tunnel])]);
});

test('interim answers without end are no answer: clients that read nothing would have them all kept here', () => {
  let passedOn = 0;
  const failures: FailureCode[] = [];
  const sink = {
    ...client,
    onInformational: () => {
      passedOn += 1;
    },
    onFailure: ({ code }: EdgeError) => void failures.push(code),
  } as unknown as ResponseSink;
  const exchange = exchangeForTests(sink);
  exchange.start();
  const head = { status: 103, start: 0, end: 1_000 } as MessageHead;
  for (let count = 0; count < 1_000 && !exchange.isEnded; count++) exchange.onInformational(head);

  assert.equal(passedOn, 65);
  assert.deepEqual(failures, ['bad_response']);
});
