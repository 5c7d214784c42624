import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HtmlTranslator } from './html-translator.ts';
import {
  address,
  matcherFor,
  plainHtml,
  published,
  throughTranslator,
  translateHtml,
} from './translate-for-tests.ts';

const inside = 'http://wiki.corp:8080';
const outside = 'https://wiki.example.com';

function becomes(cases: readonly (readonly [string, string])[], options = plainHtml): void {
  for (const [page, expected] of cases) {
    test(page.length > 90 ? `${page.slice(0, 87)}…` : page, () => {
      assert.equal(translateHtml(page, options), expected);
      for (let size = 1; size < 8; size++) {
        assert.equal(inPieces(page, size, options), expected, `in pieces of ${size}`);
      }
    });
  }
}

function inPieces(page: string, size: number, options = plainHtml): string {
  const bytes = Buffer.from(page, 'latin1');
  const pieces = [];
  for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
  return throughTranslator(new HtmlTranslator(matcherFor(), options), pieces);
}

function stays(pages: readonly string[]): void {
  becomes(pages.map(page => [page, page] as const));
}

describe('links in the attributes of a page (spec P-72)', () => {
  for (const markup of [
    '<a href="@/x?y=1#z">',
    '<AREA HREF=@/x>',
    '<audio src="@/x">',
    '<base href="@/">',
    '<button formaction="@/x">',
    '<div data-background="@/x">',
    '<div data-src="@/x">',
    '<embed src="@/x">',
    '<form action="@/x">',
    '<frame src="@/x">',
    '<head profile="@/x">',
    '<html manifest="@/x">',
    '<iframe longdesc="@/x" src="@/y">',
    '<img longdesc="@/x" src="@/y">',
    '<input formaction="@/x" src="@/y" value="@/z">',
    '<link href="@/x">',
    '<menuitem icon="@/x">',
    '<meta content="@/x">',
    '<object archive="@/x @/y" data="@/z" codebase="@/u">',
    '<script src="@/x"></script>',
    '<source src="@/x">',
    '<track src="@/x">',
    '<video src="@/x" poster="@/y">',
    '<blockquote cite="@/x">',
    '<a ping="@/x @/y">',
    '<svg><use xlink:href="@/x#y"/></svg>',
    '<my-link href="@/x">',
  ]) {
    test(markup, () =>
      assert.equal(
        translateHtml(`<p>${markup.replaceAll('@', inside)}</p>`),
        `<p>${markup.replaceAll('@', outside)}</p>`,
      ),
    );
  }
});

describe('the ways in which a link is written', () => {
  becomes([
    [`<a href='${inside}/'>`, `<a href='${outside}/'>`],
    [`<a\nhref\t=\n${inside}/a/b>`, `<a\nhref\t=\n${outside}/a/b>`],
    [`<a href="HTTP://Wiki.CORP:8080/Q">`, `<a href="${outside}/Q">`],
    ['<a href="//wiki.corp:8080/q">', '<a href="//wiki.example.com/q">'],
    ['<a href="https://shop.corp:443/q">', '<a href="https://shop.example.com/q">'],
    ['<a href="http://10.0.0.5:80/q">', '<a href="https://ip.example.com:8443/q">'],
    ['<a href="http://10.0.0.5">', '<a href="https://ip.example.com:8443">'],
    ['<a href="http:&#x2F;&#47;wiki.corp&colon;8080&#x2f;a&amp;b">', `<a href="${outside}&#x2f;a&amp;b">`],
    ['<a href=" \n http://wiki.corp:8080/x ">', `<a href=" \n ${outside}/x ">`],
    ['<a href="http:\\\\wiki.corp:8080\\x">', `<a href="${outside}\\x">`],
    ['<a href="ws://wiki.corp:8080/x">', '<a href="wss://wiki.example.com/x">'],
    ['<a href="http://intranet/app/q">', '<a href="https://app.example.com/q">'],
    ['<a href="http://intranet/app">', '<a href="https://app.example.com/">'],
    ['<a href="http://intranet/app?q">', '<a href="https://app.example.com/?q">'],
    ['<a href="http://intranet/app/deep/q">', '<a href="https://deep.example.com/in/q">'],
    ['<a href="http://intranet/app/deep">', '<a href="https://deep.example.com/in">'],
    // A backend that knows its outer name, but not TLS in front of it.
    ['<a href="http://wiki.example.com/q">', `<a href="${outside}/q">`],
  ]);
});

describe('what is no link to a published address stays as it is', () => {
  stays([
    `<p>${inside}/</p>`,
    `<a title="${inside}/">`,
    `<a data="${inside}/">`,
    `<div value="${inside}/">`,
    `<p content="${inside}/">`,
    '<a href="http://wiki.corp:8081/">',
    '<a href="https://wiki.corp:8080/">',
    '<a href="http://wiki.corp:8080.evil.example/">',
    '<a href="http://user@wiki.corp:8080/">',
    '<a href="http://intranet/">',
    '<a href="http://intranet/application/">',
    '<a href="/x">',
    '<a href="x">',
    '<a href="#x">',
    '<a href="mailto:a@wiki.corp">',
    '<a href="http%3A%2F%2Fwiki.corp:8080/">',
    '<a href="http&colon//wiki.corp:8080/">',
    '<a href="">',
    '<a href>',
    '<a href=>',
    '<a =href="http://wiki.corp:8080/">',
    `</a href="${inside}/">`,
    `<a href="/x" href="${inside}/">`,
    `<!-- <a href="${inside}/"> -->`,
    `<!-- <a href="${inside}/"> --!><b>`,
    `<!--> --><!---><!-- - -- ---><a>`,
    `<!doctype html><a href="x">`,
    `<? <a href="${inside}/">`,
    `</ <a href="${inside}/">`,
    `<textarea><a href="${inside}/"></textarea>`,
    `<title><a href="${inside}/"></title>`,
    `<script>"<a href='${inside}/'>"</script>`,
    `<script><!-- <script> </script> <a href="${inside}/"> --></script>`,
    `<style><a href="${inside}/"></style>`,
    `<iframe><a href="${inside}/"></iframe>`,
    `<plaintext><a href="${inside}/">`,
    `<svg><![CDATA[<a href="${inside}/">]]></svg>`,
    `<a href="${inside}/`,
    '<',
    '</',
    '<!',
    '<!-',
  ]);
});

describe('markup is read as browsers read it', () => {
  const link = `<a href="${inside}/">`;
  const translated = `<a href="${outside}/">`;
  becomes([
    [`<!-->${link}`, `<!-->${translated}`],
    [`<!--->${link}`, `<!--->${translated}`],
    [`<!--x--!>${link}`, `<!--x--!>${translated}`],
    [`<!--!>${link}-->${link}`, `<!--!>${link}-->${translated}`],
    [`</>${link}`, `</>${translated}`],
    [`< ${link}`, `< ${translated}`],
    [`<<a href="${inside}/">`, `<<a href="${outside}/">`],
    [`<p a"b='c>d' >${link}`, `<p a"b='c>d' >${translated}`],
    [`<p/${link.slice(1)}`, `<p/${translated.slice(1)}`],
    [`<img/src="${inside}/"/>${link}`, `<img/src="${outside}/"/>${translated}`],
    [`<title></titles></TITLE >${link}`, `<title></titles></TITLE >${translated}`],
    [`<script></scripts>'</script\n>${link}`, `<script></scripts>'</script\n>${translated}`],
    [`<script><!--></script>${link}`, `<script><!--></script>${translated}`],
    [
      `<script><!--<script></script>--></script>${link}`,
      `<script><!--<script></script>--></script>${translated}`,
    ],
    [`<script><!--<script>--></script>${link}`, `<script><!--<script>--></script>${translated}`],
    [`<svg><title>${link}</title></svg>`, `<svg><title>${translated}</title></svg>`],
    [`<svg><title/>${link}</svg>`, `<svg><title/>${translated}</svg>`],
    [`<![CDATA[ ]]>${link}`, `<![CDATA[ ]]>${translated}`],
    [`<svg><p></svg><title>${link}</title>`, `<svg><p></svg><title>${link}</title>`],
    [`<noscript>${link}</noscript>`, `<noscript>${translated}</noscript>`],
    [`\u00ef\u00bb\u00bf<p>\u00e4</p>${link}`, `\u00ef\u00bb\u00bf<p>\u00e4</p>${translated}`],
  ]);

  test('in XHTML, elements may end in their own tag and CDATA sections stand everywhere', () => {
    const options = { ...plainHtml, isXml: true };

    assert.equal(translateHtml(`<title/>${link}`, options), `<title/>${translated}`);
    assert.equal(translateHtml(`<![CDATA[${link}]]>`, options), `<![CDATA[${link}]]>`);
  });

  test('a tag beyond 256 KiB goes on as it is, and what follows is translated', () => {
    const long = `<img src="${inside}/" alt="${'x'.repeat(300_000)}">`;
    const pieces = [];
    const bytes = Buffer.from(`${long}${link}`);
    for (let at = 0; at < bytes.length; at += 16_384) pieces.push(bytes.subarray(at, at + 16_384));

    assert.equal(
      throughTranslator(new HtmlTranslator(matcherFor(), plainHtml), pieces),
      `${long}${translated}`,
    );
  });
});

describe('values that hold links in other ways', () => {
  becomes([
    [
      `<img srcset="${inside}/a, ${inside}/b 2x,/c 3x , ${inside}/d,e 4w">`,
      `<img srcset="${outside}/a, ${outside}/b 2x,/c 3x , ${outside}/d,e 4w">`,
    ],
    [`<link imagesrcset='${inside}/a 1x'>`, `<link imagesrcset='${outside}/a 1x'>`],
    [
      `<p style="background: url(${inside}/a.png), url('${inside}/b.png')">`,
      `<p style="background: url(${outside}/a.png), url('${outside}/b.png')">`,
    ],
    [
      `<p style="background:url(&quot;${inside}/a.png&quot;)">`,
      `<p style="background:url(&quot;${outside}/a.png&quot;)">`,
    ],
    [
      `<meta http-equiv="Refresh" content="0; url=${inside}/x">`,
      `<meta http-equiv="Refresh" content="0; url=${outside}/x">`,
    ],
    [
      `<meta content="5;URL='${inside}/x'" http-equiv=refresh>`,
      `<meta content="5;URL='${outside}/x'" http-equiv=refresh>`,
    ],
    [
      `<meta http-equiv=Content-Security-Policy content="img-src 'self' ${inside} wiki.corp:8080/a; x ${inside}">`,
      `<meta http-equiv=Content-Security-Policy content="img-src 'self' ${outside} wiki.example.com/a; x ${outside}">`,
    ],
    [`<meta property=og:url content="${inside}/x">`, `<meta property=og:url content="${outside}/x">`],
    [`<style>p{background:url(${inside}/a)}</style>`, `<style>p{background:url(${outside}/a)}</style>`],
    [`<style>@import "${inside}/a";`, `<style>@import "${outside}/a";`],
    [
      `<script type="importmap">{"imports":{"a":"${inside}/a.js","b":"http:\\/\\/wiki.corp:8080\\/b.js"}}</script>`,
      `<script type="importmap">{"imports":{"a":"${outside}/a.js","b":"https:\\/\\/wiki.example.com\\/b.js"}}</script>`,
    ],
    [
      `<script type="application/ld+json">{"url":"${inside}/a"}</script>`,
      `<script type="application/ld+json">{"url":"${inside}/a"}</script>`,
    ],
  ]);

  describe('JSON-LD, where it is switched on', () => {
    becomes(
      [
        [
          `<script type="application/ld+json">{"url":"${inside}/a"}</script><script>"${inside}"</script>`,
          `<script type="application/ld+json">{"url":"${outside}/a"}</script><script>"${inside}"</script>`,
        ],
      ],
      { ...plainHtml, translatesJsonLd: true },
    );
  });

  describe('inline scripts, for the addresses that a rule names', () => {
    becomes(
      [
        [
          `<script>fetch('${inside}/a'); x = "http:\\u002f\\/wiki.corp:8080/\\"b"; y = "https://shop.corp/"</script>`,
          `<script>fetch('${outside}/a'); x = "https:\\/\\/wiki.example.com/\\"b"; y = "https://shop.corp/"</script>`,
        ],
      ],
      { ...plainHtml, mayTranslateInScripts: address => address === published[0] },
    );
  });
});

describe('an application whose path is not the same inside and outside', () => {
  const own = address('http://intranet/app/', 'https://app.example.com/');
  for (const [page, expected] of [
    ['<a href="/app/x">', '<a href="/x">'],
    ['<a href="/app">', '<a href="/">'],
    ['<a href="/app/deep/x">', '<a href="https://deep.example.com/in/x">'],
    ['<a href="/elsewhere">', '<a href="/elsewhere">'],
    ['<a href="//intranet/app/x">', '<a href="//app.example.com/x">'],
    ['<a href="x">', '<a href="x">'],
  ] as const) {
    test(`${page} becomes ${expected}`, () => assert.equal(translateHtml(page, plainHtml, own), expected));
  }
});
