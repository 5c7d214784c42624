/** What a steady load of 500 requests a second notices of changes and of a connector that is killed: as little as can be. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { OnPremisesPublishingUpdate } from '@postern/protocol/admin/publishing';
import { type LoadOutcome, NamedBackend, SteadyLoad } from '../testbed/steady-load.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

/** From the answer of the admin API on, a change is in effect at node and connector after so much at the latest. */
const boundMs = 2_000;
const perSecond = 500;
const connections = 16;
const loadMs = 10_000;

let first: NamedBackend;
let second: NamedBackend;
let bed: Testbed;

before(async () => {
  first = await NamedBackend.start('first');
  second = await NamedBackend.start('second');
  bed = await startTestbed({ applications: [{ name: 'shop', internalUrl: first.url }], connectors: 3 });
});

after(async () => {
  await bed?.[Symbol.asyncDispose]();
  await first?.[Symbol.asyncDispose]();
  await second?.[Symbol.asyncDispose]();
});

function startLoad(): SteadyLoad {
  const host = bed.hostOf('shop');
  const fields = `Host: ${host}\r\nCookie: ${bed.cookie('shop')}\r\n`;
  return new SteadyLoad({
    connect: () => bed.connect(host),
    get: `GET /page HTTP/1.1\r\n${fields}\r\n`,
    post: `POST /page HTTP/1.1\r\n${fields}Content-Length: 0\r\n\r\n`,
    perSecond,
    connections,
  });
}

async function expectStatus(wanted: number, asked: ReturnType<Testbed['api']>): Promise<unknown> {
  const { status, body } = await asked;
  assert.equal(status, wanted, JSON.stringify(body));
  return body;
}

async function publish(onPremisesPublishing: OnPremisesPublishingUpdate): Promise<void> {
  await expectStatus(
    204,
    bed.api('PATCH', `/applications/${bed.applicationId('shop')}`, { onPremisesPublishing }),
  );
}

/** What answers have to look like from some time on, until the next change of the same kind. */
interface Expectation {
  readonly kind: string;
  readonly from: number;
  readonly matches: RegExp;
}

test('a change of any kind is in force within two seconds, and no request is lost', {
  timeout: 180_000,
}, async t => {
  const profile = '/onPremisesPublishingProfiles/applicationProxy';
  const group = await expectStatus(201, bed.api('POST', `${profile}/connectorGroups`, { name: 'other' }));
  const { id: otherGroup } = group as { id: string };
  const own = await expectStatus(
    200,
    bed.api('GET', `/applications/${bed.applicationId('shop')}/connectorGroup`),
  );
  const { id: ownGroup } = own as { id: string };
  await expectStatus(
    204,
    bed.api('POST', `${profile}/connectors/${bed.connectors[2]!.id}/memberOf/$ref`, {
      '@odata.id': `https://portal.${bed.domain}/api/v1.0${profile}/connectorGroups/${otherGroup}`,
    }),
  );
  const load = startLoad();
  const expectations: Expectation[] = [];
  const expectFromNow = (kind: string, matches: RegExp) =>
    expectations.push({ kind, from: performance.now(), matches });
  const startedAt = performance.now();
  let turn = 0;
  for (; performance.now() - startedAt < loadMs; turn++) {
    const isEven = turn % 2 === 0;
    const [name, backend] = isEven ? (['second', second] as const) : (['first', first] as const);
    await publish({ internalUrl: backend.url });
    expectFromNow('backend', new RegExp(`${name}$`));
    await load.more(20);
    await publish({
      customHeaders: { setResponseHeaders: [{ name: 'X-Turn', value: String(turn) }] },
    });
    expectFromNow('header', new RegExp(`^x-turn: ${turn}\r$`, 'im'));
    await load.more(20);
    await publish({ applicationServerTimeout: 60 + turn, isHttpOnlyCookieEnabled: isEven });
    await load.more(20);
    await expectStatus(
      204,
      bed.api('PUT', `/applications/${bed.applicationId('shop')}/connectorGroup/$ref`, {
        '@odata.id': `https://portal.${bed.domain}/api/v1.0${profile}/connectorGroups/${isEven ? otherGroup : ownGroup}`,
      }),
    );
    await load.more(20);
  }
  const { rate } = load;
  await load.stop();
  t.diagnostic(`${Math.round(rate)} requests a second, ${load.outcomes.length} in all, ${4 * turn} changes`);

  const lost = load.outcomes.filter(({ answer }) => !answer.startsWith('HTTP/1.1 200 '));
  assert.deepEqual(lost, []);
  for (const expectation of expectations) assertInForce(expectation, expectations, load.outcomes);
});

function assertInForce(
  { kind, from, matches }: Expectation,
  all: readonly Expectation[],
  outcomes: readonly LoadOutcome[],
): void {
  const next = all.find(one => one.kind === kind && one.from > from)?.from ?? Number.POSITIVE_INFINITY;
  const late = outcomes.find(
    ({ sentAt, endedAt, answer }) => sentAt > from + boundMs && endedAt < next && !matches.test(answer),
  );
  assert.equal(late, undefined, `${kind} ${matches} was not in force`);
}

test('a connector that is killed takes with it only what it was sent', { timeout: 180_000 }, async t => {
  await publish({ internalUrl: first.url });
  const load = startLoad();
  await load.more(1_000);
  const from = bed.log.text.length;
  bed.connectors[0]!.process.kill('SIGKILL');
  await bed.log.until('"tunnel down"', from);
  const noticedAt = performance.now();
  await load.more(1_500);
  const { rate } = load;
  await load.stop();

  const failed = load.outcomes.filter(({ answer }) => !answer.startsWith('HTTP/1.1 200 '));
  t.diagnostic(
    `${Math.round(rate)} requests a second, ${load.outcomes.length} in all, ${failed.length} failed`,
  );
  assert.ok(failed.length <= connections, `${failed.length} failed, more than were under way`);
  for (const { isPost, sentAt, answer } of failed) {
    assert.ok(isPost, 'what is safe is sent again');
    assert.match(answer, /tunnel_lost|backend_closed/);
    assert.ok(sentAt <= noticedAt);
  }
});
