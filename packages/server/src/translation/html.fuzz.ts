import assert from 'node:assert/strict';
import { Parser, type Token } from 'parse5';
import { processorSeconds } from '../../../../tests/testbed/processor-time.ts';
import { randomFrom } from '../../../../tests/testbed/random.ts';
import { HtmlTranslator } from './html-translator.ts';
import { matcherFor, plainHtml, published, throughTranslator } from './translate-for-tests.ts';

/** Fewer pages are no proof, however little time was given. */
const leastPages = 10_000;

/**
 * Generated pages, mostly well-formed and partly not, are translated whole and in arbitrary pieces. parse5, which knows
 * nothing of our tokenizer, reads page and result: they have to have the same tags, in which exactly the links to
 * published addresses lead outside, and outside of these values the same bytes.
 */
export function run(options: { seconds?: number; iterations?: number; seed: number }): {
  iterations: number;
} {
  console.log(`html fuzz: seed ${options.seed}`);
  const until = processorSeconds() + (options.seconds ?? Number.POSITIVE_INFINITY);
  const count = options.iterations ?? Number.POSITIVE_INFINITY;
  let iterations = 0;
  for (; iterations < count && (iterations < leastPages || processorSeconds() < until); iterations++) {
    const random = randomFrom(options.seed + iterations * 0x9e3779b1);
    const page = makePage(random);
    try {
      checkPage(page, random);
      checkDamaged(page, random);
    } catch (error) {
      throw new Error(`html fuzz: seed ${options.seed}, iteration ${iterations}:\n${JSON.stringify(page)}`, {
        cause: error,
      });
    }
  }
  return { iterations };
}

function checkPage(page: string, random: () => number): void {
  const translated = translate([Buffer.from(page, 'latin1')]);
  assert.equal(translate(cut(page, random)), translated, 'in pieces');

  const [before, after] = [tagsOf(page), tagsOf(translated)];
  assert.deepEqual(
    after.map(tag => tag.name),
    before.map(tag => tag.name),
  );
  before.forEach((tag, index) => {
    for (const [name, value] of tag.attributes) {
      const result = after[index].attributes.get(name);
      assert.equal(result, expectedValue(tag, name, value), `<${tag.name} ${name}="${value}">`);
    }
  });
  assert.equal(withoutValues(translated, after), withoutValues(page, before));
}

/** Whatever the bytes are, pieces make no difference and nothing is lost. */
function checkDamaged(page: string, random: () => number): void {
  let damaged = page;
  for (let times = Math.floor(random() * 4); times >= 0; times--) {
    const at = Math.floor(random() * damaged.length);
    const junk = pick(random, [
      '',
      '<',
      '>',
      '"',
      "'",
      '&',
      '-->',
      '<!--',
      '</',
      '<script>',
      '\0',
      '\u00ff',
      '=',
      '\\',
    ]);
    damaged = damaged.slice(0, at) + junk + damaged.slice(at + Math.floor(random() * 3));
  }
  const whole = translate([Buffer.from(damaged, 'latin1')]);
  assert.equal(translate(cut(damaged, random)), whole, `damaged, in pieces: ${JSON.stringify(damaged)}`);
  const inward = (text: string) => text.replaceAll(/https?:|\/\/[-a-z0-9.]+(?::\d+)?/gi, '');
  assert.ok(Math.abs(inward(whole).length - inward(damaged).length) <= damaged.length);
}

function translate(pieces: readonly Buffer[]): string {
  return throughTranslator(new HtmlTranslator(matcherFor(), plainHtml), pieces);
}

function cut(text: string, random: () => number): Buffer[] {
  const bytes = Buffer.from(text, 'latin1');
  const pieces = [];
  const longest = pick(random, [2, 20, 200, 2_000]);
  for (let at = 0; at < bytes.length; ) {
    const next = at + 1 + Math.floor(random() * longest);
    pieces.push(bytes.subarray(at, next));
    at = next;
  }
  return pieces;
}

interface Tag {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  /** Where the whole attribute stands. */
  readonly places: ReadonlyMap<string, readonly [number, number]>;
}

/** The start tags of a page as parse5 finds them, with the state of its tokenizer driven by its tree. */
function tagsOf(page: string): Tag[] {
  const tags: Tag[] = [];
  const parser = new Parser({ sourceCodeLocationInfo: true, scriptingEnabled: false });
  const { onStartTag } = parser;
  parser.onStartTag = (token: Token.TagToken) => {
    tags.push({
      name: token.tagName,
      attributes: new Map(token.attrs.map(({ name, value }) => [name, value])),
      places: new Map(
        Object.entries(token.location?.attrs ?? {}).map(([name, place]) => [
          name,
          [place.startOffset, place.endOffset] as const,
        ]),
      ),
    });
    onStartTag.call(parser, token);
  };
  parser.tokenizer.write(page, true);
  return tags;
}

/** The page without the attributes that may hold links. */
function withoutValues(page: string, tags: readonly Tag[]): string {
  let rest = '';
  let from = 0;
  for (const tag of tags) {
    for (const [name, [start, end]] of [...tag.places].sort((a, b) => a[1][0] - b[1][0])) {
      if (!holdsLinks(tag.name, name)) continue;
      rest += page.slice(from, start);
      from = end;
    }
  }
  return rest + page.slice(from);
}

function holdsLinks(element: string, attribute: string): boolean {
  return (
    ['href', 'src', 'action', 'srcset', 'poster', 'style', 'ping', 'data-src'].includes(attribute) ||
    (element === 'input' && attribute === 'value') ||
    (element === 'meta' && attribute === 'content') ||
    (element === 'object' && attribute === 'data')
  );
}

function expectedValue(tag: Tag, name: string, value: string): string {
  if (!holdsLinks(tag.name, name)) return value;
  if (name === 'srcset' || name === 'ping') {
    return value.replace(/[^\s,]+/g, expectedUrl);
  }
  if (name === 'style')
    return value.replace(/(url\(['"]?)([^'")]*)/g, (_, open, url) => open + expectedUrl(url));
  if (name === 'content' && tag.attributes.get('http-equiv') === 'refresh') {
    return value.replace(/(url=)(.*)/, (_, open, url) => open + expectedUrl(url));
  }
  return expectedUrl(value);
}

/** What a link becomes, by way of URL instead of by way of its text. */
function expectedUrl(link: string): string {
  const isRelative = /^\s*[\\/]{2}/.test(link);
  if (!isRelative && !/^\s*https?:[\\/]{2}/i.test(link)) return link;
  const url = URL.parse(link, 'http://wiki.corp:8080/');
  if (url === null || url.username !== '') return link;
  const candidates = published
    .filter(each => each.internalOrigin === url.origin && `${url.pathname}/`.startsWith(each.internalPath))
    .sort((a, b) => b.internalPath.length - a.internalPath.length);
  const found = candidates[0];
  if (found === undefined) return link;
  const [, lead, , tail] = /^(\s*)((?:https?:)?[\\/]{2}[^\\/?#\s]*)([\s\S]*)$/i.exec(link)!;
  const origin = isRelative ? found.externalOrigin.slice('https:'.length) : found.externalOrigin;
  if (found.internalPath === found.externalPath) return lead + origin + tail;
  const path = tail.startsWith(found.internalPath)
    ? found.externalPath + tail.slice(found.internalPath.length)
    : found.externalPath.replace(/(.)\/$/, '$1') + tail.slice(found.internalPath.length - 1);
  return lead + origin + path;
}

function pick<T>(random: () => number, list: readonly T[]): T {
  return list[Math.floor(random() * list.length)]!;
}

function makePage(random: () => number): string {
  let page = pick(random, [
    '<!doctype html>',
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0//EN" "x">',
    '',
    '\u00ef\u00bb\u00bf',
  ]);
  for (let parts = 1 + Math.floor(random() * 30); parts > 0; parts--) page += makePart(random);
  return page;
}

function makePart(random: () => number): string {
  const kind = random();
  if (kind < 0.4) return makeTag(random);
  if (kind < 0.55)
    return pick(random, [
      'text ',
      ' a < b ',
      '\n',
      '&amp; http://wiki.corp:8080/ ',
      '\u00e4\u00f6',
      '<',
      '</>',
      '</p>',
      '</div>',
    ]);
  if (kind < 0.62) {
    return pick(random, [
      '<!-- x -->',
      '<!-->',
      '<!--->',
      `<!-- ${makeTag(random)} -->`,
      '<!--x--!>',
      '<!--a--b-->',
      '<!x>',
      '<?php x ?>',
      '</ x>',
      '<!--!>-->',
    ]);
  }
  if (kind < 0.75) {
    const name = pick(random, [
      'script',
      'style',
      'textarea',
      'title',
      'xmp',
      'iframe',
      'noembed',
      'SCRIPT',
      'TextArea',
    ]);
    const content = pick(random, [
      '',
      'x<y',
      '</',
      '<!--',
      `'${makeTag(random)}'`,
      '</scrip>',
      '<!-- <script>',
      '-->',
      'p{}',
    ]);
    const end =
      name.toLowerCase() === 'script' && content.includes('<script')
        ? pick(random, ['</script>--></script>', '</script></script>'])
        : `</${name}${pick(random, ['', ' ', '\n', '/'])}>`;
    // Of a style sheet this would be a link, which is what css.fuzz.ts is about.
    const text = name === 'style' ? content.replaceAll('url(', 'u(') : content;
    return `<${name}${makeAttributes(random)}>${text}${end}`;
  }
  if (kind < 0.8)
    return `<svg${makeAttributes(random)}><g><path${makeAttributes(random)}/><![CDATA[${makeTag(random)}]]><a${makeAttributes(random)}></a></g><title>x</title></svg>`;
  if (kind < 0.83) return `<math><mtext>${makeTag(random)}</mtext></math>`.replace(/<(p|div|img|b)\b/g, '<a');
  return `<${pick(random, ['p', 'div', 'DIV', 'ul', 'table', 'noscript'])}>`;
}

function makeTag(random: () => number): string {
  const name = pick(random, [
    'a',
    'A',
    'img',
    'form',
    'input',
    'meta',
    'object',
    'link',
    'base',
    'div',
    'p',
    'video',
    'x-y',
    'span',
  ]);
  const end = pick(random, ['>', '>', '>', ' >', '/>', ' / >']);
  return `<${name}${makeAttributes(random)}${end}`;
}

function makeAttributes(random: () => number): string {
  let attributes = '';
  for (let count = Math.floor(random() * 4); count > 0; count--) {
    attributes += pick(random, [' ', '\n', ' \t', '/', ' / ']);
    attributes += makeAttribute(random);
  }
  return attributes;
}

function makeAttribute(random: () => number): string {
  const name = pick(random, [
    'href',
    'src',
    'HREF',
    'Src',
    'action',
    'poster',
    'data-src',
    'title',
    'class',
    'alt',
    'value',
    'content',
    'data',
    'srcset',
    'ping',
    'style',
    'http-equiv',
  ]);
  const lower = name.toLowerCase();
  let value = makeUrl(random);
  if (lower === 'srcset') value = `${makeUrl(random)} 1x, ${makeUrl(random)} 2x`;
  if (lower === 'ping') value = `${makeUrl(random)} ${makeUrl(random)}`;
  if (lower === 'style')
    value = `color:red;background:url(${pick(random, ['', "'"])}${makeUrl(random)})`.replace(
      /url\('(.*)\)$/,
      "url('$1')",
    );
  if (lower === 'http-equiv') value = 'refresh';
  if (lower === 'content' && random() < 0.5) value = `0; url=${makeUrl(random)}`;
  const equals = pick(random, ['=', '=', '=', ' = ', '=\n']);
  if (random() < 0.05) return name;
  if (random() < 0.3) value = escapeSome(value, random);
  const isBare = !/[\s"'<>=`]/.test(value) && value !== '';
  if (isBare && random() < 0.3) return `${name}${equals}${value} `;
  const quote = value.includes("'") ? '"' : pick(random, ['"', "'"]);
  return `${name}${equals}${quote}${value}${quote}`;
}

function escapeSome(value: string, random: () => number): string {
  return value.replace(/[/:.&]/g, char => {
    if (random() < 0.6) return char;
    const code = char.charCodeAt(0);
    const named = ({ '/': '&sol;', ':': '&colon;', '.': '&period;', '&': '&amp;' } as Record<string, string>)[
      char
    ];
    return pick(random, [
      `&#${code};`,
      `&#x${code.toString(16)};`,
      `&#X${code.toString(16).toUpperCase()};`,
      named ?? char,
    ]);
  });
}

function makeUrl(random: () => number): string {
  const scheme = pick(random, ['http:', 'http:', 'https:', 'HTTP:', '', 'ftp:', 'javascript:']);
  const host = pick(random, [
    'wiki.corp:8080',
    'WIKI.corp:8080',
    'wiki.corp',
    'shop.corp',
    'shop.corp:443',
    'intranet',
    'intranet:80',
    '10.0.0.5',
    '10.0.0.5:8080',
    'elsewhere.example',
    'wiki.corp:8080.evil.example',
    'u@shop.corp',
  ]);
  const path = pick(random, [
    '',
    '/',
    '/app',
    '/app/',
    '/app/x',
    '/app/deep/y.html',
    '/app/deep',
    '/appx',
    '/x/y?a=b&c=d#e',
    '?q',
    '#f',
    '/\u00e4',
  ]);
  if (random() < 0.2)
    return pick(random, ['/x', 'x', '#', 'mailto:a@b', 'data:image/png;base64,AA', '//', '/app/x']);
  return `${scheme}//${host}${path}`;
}
