/**
 * What does it cost to translate the links of pages? `node bench/translation.ts [--rounds 5]`
 *
 * The relay's processor time per byte is what is measured: a page full of links through an application that translates
 * and through one that does not, in turn; in gzip, whose decoding and encoding counts too; and of a type that is left alone.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { measureAndPrint, type RunOptions } from './command-line.ts';
import { cpuSeconds } from './measure.ts';
import { type Postern, startPostern } from './postern.ts';
import { Workplace } from './programs.ts';
import { type Figure, figure } from './report.ts';

const pagesInARun = 150;
const linksInAPage = 12_000;

interface Kind {
  readonly name: string;
  readonly path: string;
  readonly translated: number[];
  readonly passed: number[];
}

export async function measureTranslation({ rounds, say }: RunOptions): Promise<Figure[]> {
  await using workplace = new Workplace();
  const backend = await startSite(workplace);
  const postern = await startPostern(workplace, {
    backendUrl: backend.url,
    publishing: { isTranslateLinksInBodyEnabled: true },
  });
  const kinds: Kind[] = ['page', 'page in gzip', 'script'].map(name => ({
    name,
    path: `/${name.replaceAll(' ', '-')}`,
    translated: [],
    passed: [],
  }));
  for (let round = 0; round <= rounds; round += 1) {
    for (const kind of kinds) {
      const translated = await rate(workplace, postern, true, kind.path, backend.pageBytes);
      const passed = await rate(workplace, postern, false, kind.path, backend.pageBytes);
      const counted = round === 0 ? ' (not counted)' : '';
      say(`${kind.name}: translated ${translated.toFixed(0)}, passed on ${passed.toFixed(0)} MB/s${counted}`);
      if (round === 0) continue;
      kind.translated.push(translated);
      kind.passed.push(passed);
    }
  }
  const [page, coded, script] = kinds as [Kind, Kind, Kind];
  const unit = 'MB/s per core';
  const beside = (kind: Kind) => ({ name: 'not translated', runs: kind.passed });
  return [
    figure({
      name: 'page of 12,000 links translated, whole relay',
      unit,
      runs: page.translated,
      target: { comparison: '≥', value: 25 },
    }),
    figure({ name: 'the same', unit, runs: page.translated, baseline: beside(page) }),
    figure({ name: 'the same in gzip', unit, runs: coded.translated, baseline: beside(coded) }),
    figure({
      name: 'a type that is left alone',
      unit,
      runs: script.translated,
      baseline: beside(script),
      target: { comparison: '≥', value: 0.95 },
    }),
  ];
}

/** Decoded megabytes for each second of the relay's processor time. */
async function rate(
  workplace: Workplace,
  { testbed, relayPid, port, applicationHost, passthroughHost, cookie }: Postern,
  isTranslated: boolean,
  path: string,
  pageBytes: number,
): Promise<number> {
  const host = isTranslated ? applicationHost : passthroughHost;
  const before = cpuSeconds([relayPid]);
  await workplace.run(
    [
      ...['curl', '--silent', '--show-error', '--fail', '--http1.1', '--cacert', testbed.caFile],
      ...['--resolve', `${host}:${port}:127.0.0.1`, '--max-time', '600'],
      ...(isTranslated ? ['--cookie', cookie] : []),
      ...['--output', '/dev/null', `https://${host}:${port}${path}?[1-${pagesInARun}]`],
    ],
    { timeoutMs: 610_000 },
  );
  return (pageBytes * pagesInARun) / 1e6 / (cpuSeconds([relayPid]) - before);
}

interface BenchSite {
  readonly url: string;
  readonly pageBytes: number;
}

async function startSite(workplace: Workplace): Promise<BenchSite> {
  let page = Buffer.alloc(0);
  let coded = page;
  const server = createServer((request, response) => {
    const isScript = request.url!.startsWith('/script');
    const isCoded = request.url!.startsWith('/page-in-gzip');
    const bytes = isCoded ? coded : page;
    response.writeHead(200, {
      'content-type': isScript ? 'text/javascript' : 'text/html; charset=utf-8',
      'content-length': bytes.length,
      ...(isCoded ? { 'content-encoding': 'gzip' } : {}),
    });
    response.end(bytes);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  workplace.onEnd(async () => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  page = Buffer.from(makePage(url));
  coded = gzipSync(page);
  return { url, pageBytes: page.length };
}

function makePage(url: string): string {
  let page = '<!doctype html><html lang=en><head><title>All pages</title></head><body><ul>\n';
  for (let number = 1; number <= linksInAPage; number += 1) {
    const link = `${url}pages/${number}?from=list&amp;at=${number % 97}`;
    page += `<li class="entry kind-${number % 7}"><a href="${link}">Page ${number} of many</a>, read today</li>\n`;
  }
  return `${page}</ul></body></html>`;
}

if (import.meta.main) await measureAndPrint(measureTranslation);
