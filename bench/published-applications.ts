/** What do 10,000 published applications cost: memory, a lookup, a start? `node bench/published-applications.ts` */
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { routeOf } from '@postern/server/edge/request-path';
import { fieldIds } from '@postern/server/http1/fields';
import { defaultHeadLimits, MessageHead, parseRequestHead } from '@postern/server/http1/head';
import { checkTarget, RequestTarget } from '@postern/server/http1/target';
import { applicationRecord } from '@postern/server/routes/record-for-tests';
import { type HostRoutes, RouteTable } from '@postern/server/routes/route-table';
import { childrenOf } from '../tests/testbed/testbed.ts';
import { measureAndPrint, type RunOptions } from './command-line.ts';
import { ownResidentBytes } from './measure.ts';
import { type Postern, startPostern } from './postern.ts';
import { Workplace } from './programs.ts';
import { type Figure, figure } from './report.ts';

const few = 10;
const many = 10_000;
/** After a start memory is given back by and by. */
const settleMs = 10_000;
const lookups = 400_000;
/** A page with what belongs to it. */
const requestsPerConnection = 20;

/** The figures of the lookup are of several rounds; those of whole processes of one. */
export async function measurePublishedApplications({ rounds, say }: RunOptions): Promise<Figure[]> {
  const lookup = measureLookups(rounds);
  await using workplace = new Workplace();
  const postern = await startPostern(workplace, { backendUrl: 'http://127.0.0.1:9/' });
  const { testbed } = postern;
  const before = await restart(postern);
  publish(path.join(testbed.dataDir, 'postern.db'), testbed.domain);
  say(`published ${many} applications`);
  const after = await restart(postern);
  return [
    figure({
      name: `memory of relay, control process and connector for ${many} applications`,
      unit: 'MB',
      runs: [(after.residentBytes - before.residentBytes) / 1_000_000],
      target: { comparison: '≤', value: 100 },
    }),
    figure({
      name: `start of the service with ${many} applications`,
      unit: 's',
      runs: [after.startMs / 1_000],
      target: { comparison: '≤', value: 3 },
      note: `${(before.startMs / 1_000).toFixed(1)} s with two`,
    }),
    lookup,
  ];
}

async function restart({ testbed }: Postern): Promise<{ startMs: number; residentBytes: number }> {
  const startedAt = performance.now();
  await testbed.restartService();
  const startMs = performance.now() - startedAt;
  await new Promise(resolve => setTimeout(resolve, settleMs));
  const relay = testbed.service.pid!;
  const [control] = childrenOf(relay);
  const pids = [relay, control!, testbed.connectors[0]!.process.pid!];
  return { startMs, residentBytes: pids.reduce((sum, pid) => sum + ownResidentBytes(pid), 0) };
}

/** Writes copies of the application `app` into the store, behind the back of the service, which reads them at its start. */
function publish(file: string, domain: string): void {
  const db = new DatabaseSync(file);
  const [model] = db.prepare("select * from application where displayName = 'app'").all();
  const columns = Object.keys(model!);
  const insert = db.prepare(
    `insert into application (${columns.join(', ')}) values (${columns.map(() => '?').join(', ')})`,
  );
  db.exec('begin');
  for (let n = 0; n < many; n++) {
    const externalUrl = `https://application-${n}.${domain}/`;
    const publishing = JSON.parse(String(model!['publishingJson']));
    const row = {
      ...model!,
      id: randomUUID(),
      appId: randomUUID(),
      servicePrincipalId: randomUUID(),
      displayName: `Application ${n}`,
      externalUrl,
      publishingJson: JSON.stringify({
        ...publishing,
        externalUrl,
        internalUrl: `http://backend-${n}.corp.example/`,
      }),
    };
    insert.run(...columns.map(column => row[column as keyof typeof row]));
  }
  db.exec('commit');
  db.close();
}

/**
 * From a head's bytes to its route, as connections ask: each looks its host up with its first request and keeps what it
 * found. As many different connections in both cases, so that only the table differs.
 */
function measureLookups(rounds: number): Figure {
  const sizes = [few, many].map(count => ({ table: tableOf(count), heads: headsFor(count) }));
  const runs: number[][] = [[], []];
  for (let round = 0; round < rounds + 1; round++) {
    for (const [index, { table, heads }] of sizes.entries()) {
      const ns = timeLookups(table, heads);
      if (round > 0) runs[index]!.push(ns);
    }
  }
  return figure({
    name: `from head to route with ${many} applications`,
    unit: 'ns',
    runs: runs[1]!,
    baseline: { name: `${few} applications`, runs: runs[0]! },
    target: { comparison: '≤', value: 1.1 },
    note: `${requestsPerConnection} requests a connection`,
  });
}

/** Nanoseconds of processor time for each. */
function timeLookups(table: RouteTable, heads: readonly Buffer[]): number {
  const head = new MessageHead();
  const target = new RequestTarget();
  const before = process.cpuUsage();
  for (let n = 0; n < lookups / requestsPerConnection; n++) {
    const bytes = heads[n % heads.length]!;
    let host: HostRoutes | undefined;
    for (let request = 0; request < requestsPerConnection; request++) {
      parseRequestHead(bytes, 0, bytes.length, defaultHeadLimits, head);
      checkTarget(head, target);
      const index = head.find(fieldIds.host);
      const name = bytes.toString('latin1', head.valueStart(index), head.valueEnd(index));
      if (host?.host !== name) host = table.findHost(name)!;
      if (routeOf(head, target, host) === undefined) throw new Error('no route was found');
    }
  }
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1_000) / lookups;
}

function tableOf(count: number): RouteTable {
  const records = Array.from({ length: count }, (_, n) =>
    applicationRecord(
      randomUUID(),
      `https://application-${n}.example.com/`,
      `http://backend-${n}.corp.example/`,
    ),
  );
  return new RouteTable(records, { domain: 'example.com', portSuffix: '' });
}

function headsFor(count: number): readonly Buffer[] {
  return Array.from({ length: 1_000 }, (_, n) =>
    Buffer.from(
      `GET /page/${n} HTTP/1.1\r\nHost: application-${(n * 7919) % count}.example.com\r\n` +
        'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\nAccept: text/html\r\n\r\n',
    ),
  );
}

if (import.meta.main) await measureAndPrint(measurePublishedApplications);
