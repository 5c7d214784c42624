import {
  parseHeaderTemplate,
  type TemplateClaim,
  type TemplatePart,
} from '@postern/protocol/admin/header-template';
import type { CustomHeaders, SecurityHeaders } from '@postern/protocol/admin/publishing-headers';
import { fieldIdCount, fieldIds, fieldNames } from '../http1/fields.ts';
import type { MessageHead } from '../http1/head.ts';
import { fieldText } from './field-text.ts';

/** What the claims of a template are filled in from. */
export interface ClaimSource {
  readonly session: {
    readonly user: {
      readonly id: string;
      readonly userPrincipalName: string;
      readonly displayName: string;
      readonly mail: string | null;
      readonly groupIds: readonly string[];
    };
  } | null;
  readonly route: { readonly application: { readonly id: string } };
  readonly requestId: string;
  readonly clientAddress: string;
}

interface TemplateField {
  readonly name: string;
  readonly lowerName: string;
  readonly parts: readonly TemplatePart[];
}

/** Fields that do not pass: by id where the name has one, else by name in lower case. */
interface DroppedFields {
  /** 1 for each id whose fields do not pass. */
  readonly ids: Uint8Array;
  readonly names: readonly string[];
}

/** An application's request headers, made ready. */
export interface RequestHeaders {
  readonly dropped: DroppedFields;
  /** The same for every request of a session on a connection. */
  readonly fields: readonly TemplateField[];
  /** Those that name the request id. */
  readonly perRequest: readonly TemplateField[];
}

/** A field that is sent where the backend says nothing about its matter. */
interface Preset {
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly isSaid: (head: MessageHead, dropped: DroppedFields) => boolean;
}

/** An application's response headers, made ready. */
export interface ResponseHeaders {
  readonly dropped: DroppedFields;
  /** Those without claims, as lines that each end in CRLF; and as names in lower case and values in turn. */
  readonly lines: Buffer;
  readonly list: readonly string[];
  /** The same with every preset, for backends that say nothing of their own: mostly so. */
  readonly linesWithPresets: Buffer;
  readonly listWithPresets: readonly string[];
  readonly fields: readonly TemplateField[];
  readonly presets: readonly Preset[];
  /** One of them says how long an answer may be kept. */
  readonly setsCaching: boolean;
}

/** A person in more groups than this is in none as far as a field can say: half a list would be taken for the whole. */
const maxGroups = 200;

/** Null where no request field is set or removed. */
export function prepareRequestHeaders(custom: CustomHeaders | undefined): RequestHeaders | null {
  if (custom === undefined) return null;
  const { setRequestHeaders: set, removeRequestHeaders: removed } = custom;
  if (set.length === 0 && removed.length === 0) return null;
  const fields = set.map(toTemplateField);
  const namesRequest = ({ parts }: TemplateField) => hasClaim(parts, claim => claim === 'request.id');
  return {
    dropped: dropFields([...set.map(field => field.name), ...removed]),
    fields: fields.filter(field => !namesRequest(field)),
    perRequest: fields.filter(namesRequest),
  };
}

/** Null where no response field is set or removed and no preset is on. */
export function prepareResponseHeaders(
  custom: CustomHeaders | undefined,
  security: SecurityHeaders | undefined,
): ResponseHeaders | null {
  const set = custom?.setResponseHeaders ?? [];
  const removed = custom?.removeResponseHeaders ?? [];
  const taken = new Set(set.map(field => field.name.toLowerCase()));
  const presets = security === undefined ? [] : presetsOf(security, taken);
  if (set.length === 0 && removed.length === 0 && presets.length === 0) return null;
  const fields = set.map(toTemplateField);
  const isConstant = ({ parts }: TemplateField) => !hasClaim(parts, () => true);
  const constant = fields.filter(isConstant);
  const lines = constant.map(({ name, parts }) => `${name}: ${parts.join('')}\r\n`).join('');
  const list = constant.flatMap(({ lowerName, parts }) => [lowerName, parts.join('')]);
  const presetFields = presets.flatMap(({ fields: ofPreset }) => ofPreset);
  return {
    dropped: dropFields([...taken, ...removed]),
    lines: Buffer.from(lines, 'latin1'),
    list,
    linesWithPresets: Buffer.from(lines + linesOf(presetFields), 'latin1'),
    listWithPresets: [...list, ...presetFields.flat()],
    fields: fields.filter(field => !isConstant(field)),
    presets,
    setsCaching: taken.has('cache-control') || taken.has('expires'),
  };
}

/** Whether the field of a head does not pass. */
export function isDropped({ ids, names }: DroppedFields, head: MessageHead, index: number): boolean {
  const id = head.idOf(index);
  if (ids[id] === 1) return true;
  // Names without an id share two; only these need be compared.
  if (id > fieldIds.underscored) return false;
  for (const name of names) if (head.nameIs(index, name)) return true;
  return false;
}

/**
 * Lines for the backend, each ending in CRLF: the fields whose claims are all there.
 *
 * @param reserved Names in lower case that the service itself sends; they are left out.
 */
export function requestLines(
  fields: readonly TemplateField[],
  source: ClaimSource,
  reserved: ReadonlySet<string>,
): string {
  let lines = '';
  for (const { name, lowerName, parts } of fields) {
    if (reserved.has(lowerName)) continue;
    const value = fillIn(parts, source);
    if (value !== null) lines += `${name}: ${value}\r\n`;
  }
  return lines;
}

/** Lines for the client, each ending in CRLF, that are the same for everybody who gets this answer. */
export function commonLines(headers: ResponseHeaders, head: MessageHead): Buffer {
  if (headers.presets.length === 0) return headers.lines;
  if (!saysAny(headers, head)) return headers.linesWithPresets;
  return Buffer.concat([headers.lines, Buffer.from(linesOf(unsaidFields(headers, head)), 'latin1')]);
}

/** The other lines for the client: those with claims. */
export function claimLines({ fields }: ResponseHeaders, source: ClaimSource): string {
  let lines = '';
  for (const { lowerName, parts } of fields) {
    const value = fillIn(parts, source);
    if (value !== null) lines += `${lowerName}: ${value}\r\n`;
  }
  return lines;
}

/** All fields for the client as names in lower case and values in turn. */
export function responseList(
  headers: ResponseHeaders,
  head: MessageHead,
  source: ClaimSource,
): readonly string[] {
  const list = commonList(headers, head);
  if (headers.fields.length === 0) return list;
  const all = [...list];
  for (const { lowerName, parts } of headers.fields) {
    const value = fillIn(parts, source);
    if (value !== null) all.push(lowerName, value);
  }
  return all;
}

function commonList(headers: ResponseHeaders, head: MessageHead): readonly string[] {
  if (headers.presets.length === 0) return headers.list;
  if (!saysAny(headers, head)) return headers.listWithPresets;
  return [...headers.list, ...unsaidFields(headers, head).flat()];
}

/** Whether the backend says something about the matter of a preset. */
function saysAny({ presets, dropped }: ResponseHeaders, head: MessageHead): boolean {
  for (const { isSaid } of presets) if (isSaid(head, dropped)) return true;
  return false;
}

function unsaidFields({ presets, dropped }: ResponseHeaders, head: MessageHead): Preset['fields'] {
  return presets.filter(({ isSaid }) => !isSaid(head, dropped)).flatMap(({ fields }) => fields);
}

function linesOf(fields: Preset['fields']): string {
  return fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
}

/** The value with its claims filled in; null where one of them is empty, so that half a value is never sent. */
function fillIn(parts: readonly TemplatePart[], source: ClaimSource): string | null {
  let value = '';
  for (const part of parts) {
    const text = typeof part === 'string' ? part : claimOf(part.claim, source);
    if (text === '' && typeof part !== 'string') return null;
    value += text;
  }
  return value;
}

/** A claim as a field may have it. What people choose is encoded; ids and addresses are plain ASCII already. */
function claimOf(claim: TemplateClaim, { session, route, requestId, clientAddress }: ClaimSource): string {
  switch (claim) {
    case 'user.userPrincipalName':
      return fieldText(session?.user.userPrincipalName ?? '');
    case 'user.displayName':
      return fieldText(session?.user.displayName ?? '');
    case 'user.mail':
      return fieldText(session?.user.mail ?? '');
    case 'user.id':
      return session?.user.id ?? '';
    case 'user.groups':
      return session === null || session.user.groupIds.length > maxGroups
        ? ''
        : session.user.groupIds.join(',');
    case 'application.id':
      return route.application.id;
    case 'request.id':
      return requestId;
    case 'client.address':
      return clientAddress;
  }
}

function toTemplateField({ name, value }: { readonly name: string; readonly value: string }): TemplateField {
  const parts = parseHeaderTemplate(value);
  // The admin API lets no such value in; a store that was changed by hand must not bring the relay down.
  if ('problem' in parts) return { name, lowerName: name.toLowerCase(), parts: [''] };
  return { name, lowerName: name.toLowerCase(), parts };
}

function hasClaim(parts: readonly TemplatePart[], test: (claim: TemplateClaim) => boolean): boolean {
  return parts.some(part => typeof part !== 'string' && test(part.claim));
}

function dropFields(names: readonly string[]): DroppedFields {
  const ids = new Uint8Array(fieldIdCount);
  const others: string[] = [];
  for (const name of names) {
    const lower = name.toLowerCase();
    const id = fieldNames.indexOf(lower);
    if (id > fieldIds.underscored) ids[id] = 1;
    else others.push(lower);
  }
  return { ids, names: others };
}

/** @param taken Names in lower case that the application sets itself; nothing is added to them. */
function presetsOf(security: SecurityHeaders, taken: ReadonlySet<string>): Preset[] {
  const presets: Preset[] = [];
  const { strictTransportSecurityMaxAge: maxAge, frameOptions, referrerPolicy } = security;
  if (maxAge > 0) {
    const subDomains = security.strictTransportSecurityIncludeSubDomains ? '; includeSubDomains' : '';
    presets.push(preset(fieldIds.strictTransportSecurity, `max-age=${maxAge}${subDomains}`));
  }
  if (security.noSniff) presets.push(preset(fieldIds.xContentTypeOptions, 'nosniff'));
  if (frameOptions !== 'any') presets.push(framePreset(frameOptions));
  if (referrerPolicy !== '') presets.push(preset(fieldIds.referrerPolicy, referrerPolicy));
  return presets.filter(({ fields }) => !fields.some(([name]) => taken.has(name)));
}

function preset(id: number, value: string): Preset {
  return {
    fields: [[fieldNames[id]!, value]],
    isSaid: (head, dropped) => dropped.ids[id] === 0 && head.find(id) >= 0,
  };
}

/**
 * Both forms of the same rule. Browsers that know frame-ancestors ignore X-Frame-Options beside it (CSP 3 §6.4.2), so ours
 * is not added to an X-Frame-Options of the backend: it could undo a DENY.
 */
function framePreset(frameOptions: 'sameOrigin' | 'deny'): Preset {
  const { contentSecurityPolicy, xFrameOptions } = fieldIds;
  return {
    fields:
      frameOptions === 'deny'
        ? [
            ['content-security-policy', "frame-ancestors 'none'"],
            ['x-frame-options', 'DENY'],
          ]
        : [
            ['content-security-policy', "frame-ancestors 'self'"],
            ['x-frame-options', 'SAMEORIGIN'],
          ],
    isSaid: (head, dropped) => {
      if (dropped.ids[xFrameOptions] === 0 && head.find(xFrameOptions) >= 0) return true;
      if (dropped.ids[contentSecurityPolicy] === 1) return false;
      for (
        let at = head.find(contentSecurityPolicy);
        at >= 0;
        at = head.findNext(contentSecurityPolicy, at)
      ) {
        if (head.valueOf(at).toLowerCase().includes('frame-ancestors')) return true;
      }
      return false;
    },
  };
}
