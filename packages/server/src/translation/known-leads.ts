/** What becomes of all links that begin with the same scheme and authority. */
export interface KnownLead {
  readonly bytes: Buffer;
  /** What replaces them; null where such links stay as they are. */
  readonly replacement: Buffer | null;
}

/** A page names few origins, most of them again and again. */
const maxLeads = 8;

/**
 * Remembers the beginnings of a page's links, so that a link that begins like an earlier one is neither read nor looked up
 * again: that is half of the cost of a page full of links.
 */
export class KnownLeads {
  readonly #leads: KnownLead[] = [];
  #next = 0;

  /** The lead with which the value bytes[start, end) begins. */
  find(bytes: Buffer, start: number, end: number): KnownLead | null {
    for (const lead of this.#leads) if (beginsWith(bytes, start, end, lead.bytes)) return lead;
    return null;
  }

  add(bytes: Buffer, start: number, end: number, replacement: string | null): void {
    this.#leads[this.#next] = {
      // A copy: what is remembered must not keep the page's buffers.
      bytes: Buffer.from(bytes.subarray(start, end)),
      replacement: replacement === null ? null : Buffer.from(replacement, 'latin1'),
    };
    this.#next = (this.#next + 1) % maxLeads;
  }
}

function beginsWith(bytes: Buffer, start: number, end: number, lead: Buffer): boolean {
  const { length } = lead;
  const leadEnd = start + length;
  if (leadEnd > end) return false;
  // Names of one network end alike; the last byte before the path tells most apart nevertheless.
  for (let index = length - 1; index >= 0; index--) if (bytes[start + index] !== lead[index]) return false;
  if (leadEnd === end) return true;
  const next = bytes[leadEnd];
  return next === 0x2f || next === 0x3f || next === 0x23;
}
