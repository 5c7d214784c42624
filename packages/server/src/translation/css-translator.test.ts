import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CssTranslator } from './css-translator.ts';
import { address, matcherFor, throughTranslator, translateCss } from './translate-for-tests.ts';

const inside = 'http://wiki.corp:8080';
const outside = 'https://wiki.example.com';

function becomes(cases: readonly (readonly [string, string])[]): void {
  for (const [sheet, expected] of cases) {
    test(sheet, () => {
      assert.equal(translateCss(sheet), expected);
      for (let size = 1; size < 9; size++) assert.equal(inPieces(sheet, size), expected, `pieces of ${size}`);
    });
  }
}

function inPieces(sheet: string, size: number): string {
  const bytes = Buffer.from(sheet, 'latin1');
  const pieces = [];
  for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
  return throughTranslator(new CssTranslator(matcherFor()), pieces);
}

describe('links of a style sheet (CSS Syntax 3, CSS Values 4)', () => {
  becomes([
    [`p{background:url(${inside}/a.png)}`, `p{background:url(${outside}/a.png)}`],
    [`p{background:URL( "${inside}/a" )}`, `p{background:URL( "${outside}/a" )}`],
    [`p{background:url('${inside}/a') }`, `p{background:url('${outside}/a') }`],
    [`p{background:url(\n${inside}/a\n)}`, `p{background:url(\n${outside}/a\n)}`],
    ['p{background:url(//wiki.corp:8080/a)}', 'p{background:url(//wiki.example.com/a)}'],
    ['p{background:url(http\\:\\/\\/wiki.corp\\:8080\\/a)}', `p{background:url(${outside}\\/a)}`],
    ['p{background:url(http\\3a //wiki.corp\\00003A\r\n8080/a) b}', `p{background:url(${outside}/a) b}`],
    ['p{background:url(\\68 ttp://wiki.corp:8080/a)}', `p{background:url(${outside}/a)}`],
    ['p{background:url("\\68 ttp://wiki.corp:8080/a")}', `p{background:url("${outside}/a")}`],
    [`@import "${inside}/a.css" screen;`, `@import "${outside}/a.css" screen;`],
    [`@IMPORT url(${inside}/a.css);p{}`, `@IMPORT url(${outside}/a.css);p{}`],
    [
      `p{background:image-set("${inside}/a" 1x, url("${inside}/b") 2x, "${inside}/c" type("image/png") 3x);content:"${inside}"}`,
      `p{background:image-set("${outside}/a" 1x, url("${outside}/b") 2x, "${outside}/c" type("image/png") 3x);content:"${inside}"}`,
    ],
    [`p{background:src("${inside}/a")}`, `p{background:src("${outside}/a")}`],
    [
      `/* \\ */a{}@font-face{src:url(${inside}/f) format("x"),url(${inside}/g)}`,
      `/* \\ */a{}@font-face{src:url(${outside}/f) format("x"),url(${outside}/g)}`,
    ],
    [`a{b:url(${inside}/x`, `a{b:url(${outside}/x`],
    [
      `a{b:url(data:image/png;base64,AA==)}a{b:url(${inside}/)}`,
      `a{b:url(data:image/png;base64,AA==)}a{b:url(${outside}/)}`,
    ],
    [
      `a:before{content:"\\"url(${inside}/)"}a{b:url(${inside}/)}`,
      `a:before{content:"\\"url(${inside}/)"}a{b:url(${outside}/)}`,
    ],
    // A string does not go over the end of its line.
    [`a{b:"x\nc:url(${inside}/)}`, `a{b:"x\nc:url(${outside}/)}`],
    [`a{b:calc((1px + 2px)*2) url(${inside}/)}`, `a{b:calc((1px + 2px)*2) url(${outside}/)}`],
  ]);
});

describe('what is no link stays as it is', () => {
  const same = [
    `/* url(${inside}/) */`,
    `p{content:"url(${inside}/)"}`,
    `p{content:"${inside}/"}`,
    `p{background:my-url(${inside}/)}`,
    `p{background:url (${inside}/)}`,
    `p{--x:${inside}/}`,
    `@importer "${inside}/";`,
    `@import "a.css";p{content:"${inside}/"}`,
    'p{background:url(http://elsewhere.example/)}',
    'p{background:url()}',
    'p{background:url("")}',
    `p{background:${'x'.repeat(200)}url(${inside}/)}`,
    'p{}/*',
    'p{}/',
    'p{a:"',
    'p{a:\\',
    '@',
    'url(',
  ];
  becomes(same.map(sheet => [sheet, sheet] as const));
});

test('a link whose new path holds what CSS reads otherwise is escaped', () => {
  const own = address('http://x.corp/a/', "https://x.example.com/o'(1)/");

  assert.equal(
    translateCss('p{b:url(http://x.corp/a/c)}', own),
    "p{b:url(https://x.example.com/o\\'\\(1\\)/c)}",
  );
});

test('a long data: URL is not held back', () => {
  const translator = new CssTranslator(matcherFor());
  const piece = Buffer.from(`p{b:url(data:image/png;base64,${'A'.repeat(100_000)}`);

  assert.equal(translator.push(piece).length, piece.length);
  assert.equal(translator.push(Buffer.from(`)}p{b:url(${inside}/)}`)).toString(), `)}p{b:url(${outside}/)}`);
});
