import type { OutgoingHttpHeaders } from 'node:http2';

/**
 * Trailers as the frames' library takes them.
 *
 * @param trailers Field lines, each ending in CRLF.
 */
export function trailerFields(trailers: Buffer): OutgoingHttpHeaders {
  // Without what every object has: a trailer may be called `constructor`.
  const fields: Record<string, string[]> = Object.create(null);
  for (const line of trailers.toString('latin1').split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon < 0) continue;
    const name = line.slice(0, colon).toLowerCase();
    fields[name] ??= [];
    fields[name].push(line.slice(colon + 1).trim());
  }
  return fields;
}
