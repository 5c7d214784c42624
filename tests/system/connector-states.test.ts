import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { loadIdentity } from '@postern/connector/identity/identity';
import { openData } from '@postern/server/operate/open-data';
import { ageIdentity } from '../testbed/age-identity.ts';
import { CommandLine } from '../testbed/command-line.ts';
import { end, startTestbed, type Testbed } from '../testbed/testbed.ts';
import { controlFrame, frame, hello, TunnelProbe, yamux } from '../testbed/tunnel-probe.ts';

const profile = '/onPremisesPublishingProfiles/applicationProxy';
const dayMs = 86_400_000;

let bed: Testbed;
let commandLine: CommandLine;

before(async () => {
  bed = await startTestbed({ applications: [], connectors: 3 });
  commandLine = await CommandLine.signIn(bed);
});
after(async () => {
  commandLine?.[Symbol.dispose]();
  await bed?.[Symbol.asyncDispose]();
});

interface Shown {
  readonly id: string;
  readonly status: string;
  readonly isHidden: boolean;
  readonly lastSeenDateTime: string | null;
}

async function shown(connector: number): Promise<Shown> {
  const { body } = await bed.api('GET', `${profile}/connectors/${bed.connectors[connector]!.id}`);
  return body as Shown;
}

async function assertStatus(connector: number, status: string): Promise<void> {
  assert.equal((await shown(connector)).status, status);
}

/** Waits until the service logs an event, behind what it has logged before `act`. */
async function logged(event: string, act: () => unknown): Promise<void> {
  const from = bed.log.text.length;
  await act();
  await bed.log.until(`"event":"${event}"`, from);
}

async function eventsOf(connector: number): Promise<{ event: string; message: string }[]> {
  const { id } = bed.connectors[connector]!;
  const { body } = await bed.api('GET', `${profile}/connectors/${id}/events`);
  return (body as { value: { event: string; message: string }[] }).value;
}

async function untilRefused(connector: number, reason: string): Promise<string> {
  for (;;) {
    const found = (await eventsOf(connector)).find(
      ({ event, message }) => event === 'refused' && message.includes(`(${reason})`),
    );
    if (found !== undefined) return found.message;
  }
}

describe('the state of a connector', () => {
  test('is active while it is connected, and inactive when it is not', async () => {
    await assertStatus(0, 'active');
    await end(bed.connectors[0]!.process);
    while ((await shown(0)).status !== 'inactive');
    await logged('tunnel_up', () => bed.connectors[0]!.restart());
    await assertStatus(0, 'active');
  });

  test('is inactive with a tunnel that is up and lets nothing through to the connector', async () => {
    await end(bed.connectors[1]!.process);
    const { pairs } = await loadIdentity(bed.connectors[1]!.dataDir, Date.now());
    const { certificate: cert, privateKey: key } = pairs[0]!;
    const servername = `connect.${bed.domain}`;
    while ((await shown(1)).status !== 'inactive');
    const tunnel = await TunnelProbe.connect({ port: bed.port, servername, cert, key });
    await logged('tunnel_up', () => tunnel.send(controlFrame(hello)));
    await assertStatus(1, 'active');
    // It says something all the time, and answers nothing: as where one direction of a connection is dead.
    let count = 0;
    const chatter = setInterval(
      () => tunnel.send(frame(yamux.ping, yamux.syn, 0, undefined, ++count)),
      1_000,
    );
    try {
      await logged('tunnel_unanswered', () => {});
      await assertStatus(1, 'inactive');
      assert.equal(tunnel.isClosed, false);

      await logged('tunnel_answered', () => tunnel.answerPings());
      await assertStatus(1, 'active');
    } finally {
      clearInterval(chatter);
      tunnel.destroy();
    }
  });

  test('is expired when its newest certificate is, and the refusal is in its journal', async () => {
    await ageIdentity(bed, bed.connectors[0]!, 181);
    await using data = await openData(bed.config, {});
    // Only the old one counts: what the service issued later would keep the connector alive.
    await data.db
      .deleteFrom('connectorCertificate')
      .where('connectorId', '=', bed.connectors[0]!.id)
      .where('notAfter', '>', Date.now())
      .execute();

    await logged('tunnel_refused', () => bed.connectors[0]!.launch());

    assert.match(
      await untilRefused(0, 'expired'),
      /^A tunnel from 127\.0\.0\.1 was refused \(expired\): the trust certificate expired on /,
    );
    assert.equal((await shown(0)).status, 'expired');
    assert.equal((await eventsOf(0)).filter(({ event }) => event === 'refused').length, 1);
  });

  test('is revoked for good, and a tunnel that it tries all the same is in its journal', async () => {
    await logged('tunnel_up', () => bed.connectors[1]!.restart());
    await assertStatus(1, 'active');

    await logged('tunnel_refused', () => commandLine.run(['connector', 'revoke', bed.connectors[1]!.id]));

    await assertStatus(1, 'revoked');
    assert.match(await untilRefused(1, 'revoked'), /this connector was revoked/);
  });
});

describe('a connector that was not seen for long', () => {
  test('is left out of lists but for --all, and is back by itself, with its id, when it connects', async () => {
    const connector = bed.connectors[2]!;
    await end(connector.process);
    while ((await shown(2)).status !== 'inactive');
    {
      await using data = await openData(bed.config, {});
      const lastSeenAt = Date.now() - 11 * dayMs;
      await data.db.updateTable('connector').set({ lastSeenAt }).where('id', '=', connector.id).execute();
    }
    const isIn = async (...more: string[]) =>
      ((await commandLine.run(['connector', 'list', ...more])) as Shown[]).some(
        ({ id }) => id === connector.id,
      );

    assert.equal(await isIn(), false);
    assert.equal(await isIn('--all'), true);
    const hidden = (await commandLine.run(['connector', 'show', 'connector-2'])) as Shown;
    assert.deepEqual([hidden.id, hidden.status, hidden.isHidden], [connector.id, 'inactive', true]);

    await logged('tunnel_up', () => connector.restart());
    assert.equal(await isIn(), true);
    assert.deepEqual([(await shown(2)).status, (await shown(2)).isHidden], ['active', false]);
  });
});
