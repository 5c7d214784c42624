import { fieldIds } from '../http1/fields.ts';
import type { MessageHead } from '../http1/head.ts';

/** Codings that can be undone and made again (RFC 9110 §8.4.1, RFC 8878). */
export type ContentCoding = 'gzip' | 'deflate' | 'br' | 'zstd';

/** What the head of an answer says about content whose links can be translated. */
export interface ContentPlan {
  readonly kind: 'html' | 'xhtml' | 'css';
  /** UTF-16 is not written in ASCII's bytes; every other encoding that browsers know is, as far as markup goes. */
  readonly encoding: 'ascii' | 'utf-16le' | 'utf-16be';
  readonly coding: ContentCoding | null;
}

const kinds: ReadonlyMap<string, ContentPlan['kind']> = new Map([
  ['text/html', 'html'],
  ['application/xhtml+xml', 'xhtml'],
  ['text/css', 'css'],
]);

const codings: ReadonlyMap<string, ContentCoding | null> = new Map<string, ContentCoding | null>([
  ['', null],
  ['identity', null],
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['deflate', 'deflate'],
  ['br', 'br'],
  ['zstd', 'zstd'],
]);

/**
 * What is to be done with the content of an answer; null where it goes on as it is: other types, an encoding or a coding
 * that nobody here knows, several codings at once.
 */
export function planContent(head: MessageHead): ContentPlan | null {
  const type = head.find(fieldIds.contentType);
  if (type < 0) return null;
  const value = head.valueOf(type).toLowerCase();
  const semicolon = value.indexOf(';');
  const kind = kinds.get((semicolon < 0 ? value : value.slice(0, semicolon)).trim());
  if (kind === undefined) return null;
  const encoding = encodingOf(semicolon < 0 ? '' : value.slice(semicolon + 1));
  const coding = codingOf(head);
  return encoding === null || coding === undefined ? null : { kind, encoding, coding };
}

/** A part of something; of what, only its parts would tell. */
export function isByteRanges(head: MessageHead): boolean {
  const type = head.find(fieldIds.contentType);
  return type >= 0 && /^multipart\/byteranges\b/i.test(head.valueOf(type));
}

/** Null: markup in this encoding is not written in ASCII's bytes. */
function encodingOf(parameters: string): ContentPlan['encoding'] | null {
  const label = /(?:^|;)\s*charset\s*=\s*["']?([^\s;"']+)/.exec(parameters)?.[1];
  if (label === undefined || label === 'utf-8') return 'ascii';
  const name = browserEncoding(label);
  // Its letters are written in the bytes of other letters, and of markup.
  if (name === 'iso-2022-jp') return null;
  return name === 'utf-16le' || name === 'utf-16be' ? name : 'ascii';
}

// Browsers take a label that they do not know as if there were none.
function browserEncoding(label: string): string {
  try {
    return new TextDecoder(label).encoding;
  } catch {
    return '';
  }
}

function codingOf(head: MessageHead): ContentCoding | null | undefined {
  const index = head.find(fieldIds.contentEncoding);
  if (index < 0) return null;
  if (head.findNext(fieldIds.contentEncoding, index) >= 0) return undefined;
  return codings.get(head.valueOf(index).trim().toLowerCase());
}
