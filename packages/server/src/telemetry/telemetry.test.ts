import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Metrics } from './metrics.ts';

/** Runs a few lines in a process of their own and gives what came out: the logger writes to the real outputs. */
function run(lines: string): { stdout: string; stderr: string } {
  const logger = path.join(import.meta.dirname, 'logger.ts');
  const events = path.join(import.meta.dirname, 'events.ts');
  const script = `import { createLogger } from ${JSON.stringify(logger)};
    import * as events from ${JSON.stringify(events)};
    ${lines}`;
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.equal(result.status, 0, result.stderr);
  return result;
}

describe('the log', () => {
  test('is one JSON document a line, with program, level, UTC time and request id', () => {
    const { stdout, stderr } = run(`
      const log = createLogger({ program: 'relay', level: 'info' });
      log.debug('not shown');
      log.child({ requestId: 'r-1' }).warn({ port: 443 }, 'two\\nlines');`);

    const lines = stdout.trimEnd().split('\n');
    assert.equal(lines.length, 1);
    const { time, pid, ...rest } = JSON.parse(lines[0]);
    assert.deepEqual(rest, {
      level: 'warn',
      program: 'relay',
      requestId: 'r-1',
      port: 443,
      msg: 'two\nlines',
    });
    assert.match(time, /^\d{4}-\d\d-\d\dT.*Z$/);
    assert.equal(typeof pid, 'number');
    assert.equal(stderr, '');
  });

  test('goes to standard error where it is told to, and loses no line of a program that ends at once', () => {
    const { stdout, stderr } = run(`
      const log = createLogger({ program: 'cli', level: 'info', output: 'stderr' });
      for (let i = 0; i < 1000; i++) log.info({ i }, 'line');
      process.exit(0);`);

    assert.equal(stdout, '');
    assert.equal(stderr.trimEnd().split('\n').length, 1_000);
  });

  test('shows no credential, even where a library puts one into what is logged', () => {
    const { stdout } = run(`
      const log = createLogger({ program: 'control', level: 'info' });
      log.info({ req: { headers: { authorization: 'Bearer SECRET', cookie: 'SECRET' } }, password: 'SECRET' }, 'x');
      log.info({ headers: { cookie: 'SECRET' }, authorization: 'SECRET' }, 'y');`);

    assert(!stdout.includes('SECRET'), stdout);
  });

  test('an event has its stable name and its fields', () => {
    const { stdout } = run(`
      const log = createLogger({ program: 'control', level: 'info' });
      events.signInFailed(log, { reason: 'wrong_password', clientAddress: '203.0.113.9', requestId: 'r-2' });
      events.roleChanged(log, { userId: 'u', role: 'Global Administrator', what: 'assigned', actor: { userId: 'a' } });`);

    const [failed, role] = stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line));
    assert.equal(failed.event, 'sign_in_failed');
    assert.equal(failed.requestId, 'r-2');
    assert.equal(role.event, 'role_changed');
    assert.deepEqual(role.actor, { userId: 'a' });
  });
});

describe('metrics', () => {
  test('are rendered with their help, labels and program', async () => {
    const metrics = new Metrics('relay');
    const requests = metrics.counter('postern_requests_total', 'Requests answered.', ['status']);
    metrics.gauge('postern_sessions', 'Sessions known.', [], gauge => gauge.set(7));
    const duration = metrics.histogram('postern_open_seconds', 'Time to open a stream.', [0.1, 1]);

    requests.inc({ status: '200' }, 2);
    duration.observe(0.5);
    const text = await metrics.render();

    assert.match(text, /# HELP postern_requests_total Requests answered\./);
    assert.match(text, /postern_requests_total\{status="200",program="relay"\} 2/);
    assert.match(text, /postern_sessions\{program="relay"\} 7/);
    assert.match(text, /postern_open_seconds_bucket\{le="1",program="relay"\} 1/);
  });

  test('of two programs in one process are kept apart', async () => {
    const [first, second] = [new Metrics('a'), new Metrics('b')];
    first.counter('postern_x_total', 'x').inc();
    second.counter('postern_x_total', 'x');

    assert.match(await first.render(), /postern_x_total\{program="a"\} 1/);
    assert.match(await second.render(), /postern_x_total\{program="b"\} 0/);
  });
});
