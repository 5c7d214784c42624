/** Finds names among bytes, in any case, without making a string of them. */
class NameTable {
  readonly #slots: Uint16Array;
  readonly #names: Buffer[] = [Buffer.alloc(0)];
  readonly #mask: number;

  /** @param names In lower case; the first has id 1. */
  constructor(names: readonly string[]) {
    let size = 16;
    while (size < names.length * 4) size *= 2;
    this.#slots = new Uint16Array(size);
    this.#mask = size - 1;
    for (const name of names) {
      const bytes = Buffer.from(name, 'latin1');
      let slot = hashOf(bytes, 0, bytes.length) & this.#mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & this.#mask;
      this.#slots[slot] = this.#names.length;
      this.#names.push(bytes);
    }
  }

  nameOf(id: number): Buffer {
    return this.#names[id]!;
  }

  /** The id of the name in bytes[start, end); 0 where it is none of the table's. */
  find(bytes: Buffer, start: number, end: number): number {
    let slot = hashOf(bytes, start, end) & this.#mask;
    for (let id = this.#slots[slot]!; id !== 0; id = this.#slots[slot]!) {
      if (equals(this.#names[id]!, bytes, start, end)) return id;
      slot = (slot + 1) & this.#mask;
    }
    return 0;
  }
}

// Three bytes and the length tell enough of these names apart.
function hashOf(bytes: Buffer, start: number, end: number): number {
  const length = end - start;
  let hash = length * 7 + (bytes[start]! | 0x20) * 31;
  hash += (bytes[end - 1]! | 0x20) * 131;
  hash += (bytes[start + (length >> 1)]! | 0x20) * 17;
  return hash;
}

function equals(name: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let index = 0; index < name.length; index++) {
    const byte = bytes[start + index]!;
    const lower = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
    if (lower !== name[index]) return false;
  }
  return true;
}

/** How the value of an attribute holds links. */
export type ValueKind = 'url' | 'srcset' | 'list' | 'css' | 'meta';

interface LinkAttribute {
  readonly kind: ValueKind;
  /** The only element at which it is a link; null for every one. */
  readonly element: string | null;
}

const url: LinkAttribute = { kind: 'url', element: null };
const urlOf = (element: string): LinkAttribute => ({ kind: 'url', element });

/**
 * Where links stand (spec P-72, and what browsers have learnt since). Names that mean a link wherever they stand are one
 * at every element, so that elements of web components have theirs translated too.
 */
const linkAttributes: ReadonlyMap<string, LinkAttribute> = new Map([
  ['href', url],
  ['src', url],
  ['action', url],
  ['formaction', url],
  ['background', url],
  ['cite', url],
  ['longdesc', url],
  ['poster', url],
  ['xlink:href', url],
  ['data-src', url],
  ['data-background', url],
  ['srcset', { kind: 'srcset', element: null }],
  ['imagesrcset', { kind: 'srcset', element: null }],
  ['ping', { kind: 'list', element: null }],
  ['style', { kind: 'css', element: null }],
  ['content', { kind: 'meta', element: 'meta' }],
  ['value', urlOf('input')],
  ['data', urlOf('object')],
  ['codebase', urlOf('object')],
  ['archive', { kind: 'list', element: 'object' }],
  ['profile', { kind: 'list', element: 'head' }],
  ['manifest', urlOf('html')],
  ['icon', urlOf('menuitem')],
]);

/** Elements whose content is text, whatever it looks like (HTML §13.2.6.4). */
const textElements = [
  'script',
  'style',
  'textarea',
  'title',
  'xmp',
  'iframe',
  'noembed',
  'noframes',
  'plaintext',
] as const;

const integrationPoints = ['foreignobject', 'desc', 'mi', 'mo', 'mn', 'ms', 'mtext', 'annotation-xml'];

/** HTML that ends SVG or MathML in which it stands (HTML §13.2.6.5). */
const breakouts = (
  'b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li listing menu meta ' +
  'nobr ol p pre ruby s small span strong strike sub sup table tt u ul var'
).split(' ');

const elementNames = [
  ...textElements,
  'svg',
  'math',
  ...integrationPoints,
  ...breakouts,
  'input',
  'object',
  'html',
  'menuitem',
];

export const elements = new NameTable(elementNames);

/** The id of an element's name; see `elements`. */
export function elementId(name: string): number {
  return elementNames.indexOf(name) + 1;
}

/** The name of an element in lower case. */
export function elementName(id: number): Buffer {
  return elements.nameOf(id);
}

/** What an element is to the tokenizer, by id. */
export const elementRoles: readonly {
  /** Its content is text up to its end tag. */
  readonly isText: boolean;
  readonly isIntegrationPoint: boolean;
  readonly isBreakout: boolean;
}[] = ['', ...elementNames].map(name => ({
  isText: (textElements as readonly string[]).includes(name),
  isIntegrationPoint: integrationPoints.includes(name),
  isBreakout: breakouts.includes(name),
}));

const attributeNames = [...linkAttributes.keys(), 'type', 'http-equiv'];

export const attributes = new NameTable(attributeNames);

export const typeAttribute = attributeNames.indexOf('type') + 1;
export const httpEquivAttribute = attributeNames.indexOf('http-equiv') + 1;

const kindsById: readonly (LinkAttribute & { readonly elementId: number })[] = [
  ...linkAttributes.values(),
].map(each => ({ ...each, elementId: each.element === null ? 0 : elementId(each.element) }));

/** How the attribute holds links at this element; null for not at all. */
export function valueKindOf(attribute: number, element: number): ValueKind | null {
  const found = kindsById[attribute - 1];
  if (found === undefined || (found.elementId !== 0 && found.elementId !== element)) return null;
  return found.kind;
}
