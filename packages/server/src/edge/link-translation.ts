import type { BodyLinkSettings } from '../routes/route-settings.ts';
import type { ContentTranslator } from '../translation/content-edits.ts';
import type { ContentPlan } from '../translation/content-plan.ts';
import { CssTranslator } from '../translation/css-translator.ts';
import { EncodedTranslator } from '../translation/encoded-translator.ts';
import { HtmlTranslator } from '../translation/html-translator.ts';
import { LinkMatcher, type PublishedAddress, type PublishedLinks } from '../translation/published-links.ts';
import { type AnswerContent, CodedContent, type ContentReceiver, PlainContent } from './answer-content.ts';

/**
 * Opens the way that the content of one answer takes to its client.
 *
 * @param own Whose pages these are.
 */
export function openContent(
  plan: ContentPlan,
  own: PublishedAddress,
  links: PublishedLinks,
  settings: BodyLinkSettings,
  receiver: ContentReceiver,
): AnswerContent {
  const translator = new EncodedTranslator(
    translatorFor(plan.kind, new LinkMatcher(links, own), settings),
    plan.encoding,
  );
  if (plan.coding === null) return new PlainContent(translator, receiver);
  return new CodedContent(plan.coding, translator, receiver);
}

function translatorFor(
  kind: ContentPlan['kind'],
  matcher: LinkMatcher,
  settings: BodyLinkSettings,
): ContentTranslator {
  if (kind === 'css') return new CssTranslator(matcher);
  const { inlineScriptUrls } = settings;
  return new HtmlTranslator(matcher, {
    isXml: kind === 'xhtml',
    translatesJsonLd: settings.jsonLd,
    mayTranslateInScripts:
      inlineScriptUrls === null
        ? null
        : address => inlineScriptUrls.has(`${address.internalOrigin}${address.internalPath}`),
  });
}

/** A request's head that asks for the whole (RFC 9110 §14.2). */
export function withoutRange(head: Buffer): Buffer {
  return Buffer.from(head.toString('latin1').replace(/\r\n(?:if-)?range:[^\r]*/gi, ''), 'latin1');
}
