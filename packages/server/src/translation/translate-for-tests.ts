import type { ContentTranslator } from './content-edits.ts';
import { CssTranslator } from './css-translator.ts';
import { type HtmlTranslationOptions, HtmlTranslator } from './html-translator.ts';
import { LinkMatcher, type PublishedAddress, PublishedLinks } from './published-links.ts';

/** Addresses that the tests of this folder publish; the first is the application whose pages are translated. */
export const published: readonly PublishedAddress[] = [
  address('http://wiki.corp:8080/', 'https://wiki.example.com/'),
  address('https://shop.corp/', 'https://shop.example.com/'),
  address('http://intranet/app/', 'https://app.example.com/'),
  address('http://intranet/app/deep/', 'https://deep.example.com/in/'),
  address('http://10.0.0.5/', 'https://ip.example.com:8443/'),
];

export function address(internal: string, external: string): PublishedAddress {
  const [inside, outside] = [new URL(internal), new URL(external)];
  return {
    internalOrigin: inside.origin,
    internalPath: inside.pathname,
    externalOrigin: outside.origin,
    externalPath: outside.pathname,
  };
}

export function matcherFor(own: PublishedAddress = published[0], others = published): LinkMatcher {
  return new LinkMatcher(new PublishedLinks(new Set([...others, own])), own);
}

export const plainHtml: HtmlTranslationOptions = {
  isXml: false,
  translatesJsonLd: false,
  mayTranslateInScripts: null,
};

export function translateHtml(page: string, options = plainHtml, own?: PublishedAddress): string {
  return throughTranslator(new HtmlTranslator(matcherFor(own), options), [Buffer.from(page, 'latin1')]);
}

export function translateCss(sheet: string, own?: PublishedAddress): string {
  return throughTranslator(new CssTranslator(matcherFor(own)), [Buffer.from(sheet, 'latin1')]);
}

/** What comes out where the content arrives in these pieces; one char a byte. */
export function throughTranslator(translator: ContentTranslator, pieces: readonly Buffer[]): string {
  const out = pieces.map(piece => translator.push(piece));
  return Buffer.concat([...out, translator.end()]).toString('latin1');
}
