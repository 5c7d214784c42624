import assert from 'node:assert/strict';
import { processorSeconds } from '../../../../tests/testbed/processor-time.ts';
import { randomFrom } from '../../../../tests/testbed/random.ts';
import { CssTranslator } from './css-translator.ts';
import { matcherFor, throughTranslator } from './translate-for-tests.ts';

const inside = 'http://wiki.corp:8080';
const outside = 'https://wiki.example.com';

/**
 * Style sheets put together from parts of which each says what becomes of it, translated whole and in arbitrary pieces; and
 * heaps of the same parts cut anywhere, of which pieces have to make no difference.
 */
export function run(options: { seconds?: number; iterations?: number; seed: number }): {
  iterations: number;
} {
  console.log(`css fuzz: seed ${options.seed}`);
  const until = processorSeconds() + (options.seconds ?? Number.POSITIVE_INFINITY);
  const count = options.iterations ?? Number.POSITIVE_INFINITY;
  let iterations = 0;
  for (; iterations < count && processorSeconds() < until; iterations++) {
    const random = randomFrom(options.seed + iterations * 0x9e3779b1);
    const parts = Array.from({ length: 1 + Math.floor(random() * 12) }, () => pick(random, sheetParts));
    const sheet = parts.map(([before]) => before).join('\n');
    try {
      const expected = parts.map(([, after]) => after).join('\n');
      assert.equal(translate([Buffer.from(sheet)]), expected);
      assert.equal(translate(cut(sheet, random)), expected, 'in pieces');
      const heap = damage(sheet, random);
      assert.equal(translate(cut(heap, random)), translate([Buffer.from(heap)]), `heap: ${heap}`);
    } catch (error) {
      throw new Error(`css fuzz: seed ${options.seed}, iteration ${iterations}:\n${sheet}`, { cause: error });
    }
  }
  return { iterations };
}

const sheetParts: readonly (readonly [string, string])[] = [
  linked('a{background:url(@/a.png)}'),
  linked('a{background:URL( "@/a(1).png" ), url(\'@/b\')}'),
  linked('@import "@/x.css" screen;'),
  linked('@import url(@/x.css) layer(y);'),
  linked('a{background:image-set(url(@/1) 1x, "@/2" type("image/png") 2x)}'),
  linked('@font-face{font-family:"x y";src:url(@/f.woff2) format("woff2"), src("@/g")}'),
  linked('a{background:url(  @/a  )}'),
  same('/* url(@/a) "quote\' */'),
  same('a::before{content:"url(@/a) \\"@/\\" /*"}'),
  same("a::before{content:'@/\\'\\\n@/'}"),
  same('a{background:url(data:image/svg+xml;charset=utf8,%3Csvg%3E)}'),
  same('a{background:url("data:image/png;base64,AA==")}'),
  same('a{--x:@/; color:rgb(1 2 3 / calc(1 * (2 + 3)))}'),
  same('.url{} .a\\:url\\(x{} @media (min-width:1px){b{c:d}}'),
  same('@charset "utf-8"; @namespace svg "@/";'),
  same('a{background:my-url(@/a)}'),
];

function linked(sheet: string): readonly [string, string] {
  return [sheet.replaceAll('@/', `${inside}/`), sheet.replaceAll('@/', `${outside}/`)];
}

function same(sheet: string): readonly [string, string] {
  const text = sheet.replaceAll('@/', `${inside}/`);
  return [text, text];
}

function damage(sheet: string, random: () => number): string {
  let heap = sheet;
  for (let times = 1 + Math.floor(random() * 5); times > 0; times--) {
    const at = Math.floor(random() * heap.length);
    const junk = pick(random, [
      '',
      '"',
      "'",
      '\\',
      '/*',
      '*/',
      '(',
      ')',
      '@import ',
      'url(',
      '\n',
      '{',
      '}',
      ';',
      '\0',
    ]);
    heap = heap.slice(0, at) + junk + heap.slice(at + Math.floor(random() * 4));
  }
  return heap;
}

function translate(pieces: readonly Buffer[]): string {
  return throughTranslator(new CssTranslator(matcherFor()), pieces);
}

function cut(text: string, random: () => number): Buffer[] {
  const bytes = Buffer.from(text);
  const pieces = [];
  const longest = pick(random, [1, 10, 100]);
  for (let at = 0; at < bytes.length; ) {
    const next = at + 1 + Math.floor(random() * longest);
    pieces.push(bytes.subarray(at, next));
    at = next;
  }
  return pieces;
}

function pick<T>(random: () => number, list: readonly T[]): T {
  return list[Math.floor(random() * list.length)]!;
}
