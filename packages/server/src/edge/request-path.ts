import { Http1Error } from '../http1/error.ts';
import type { MessageHead } from '../http1/head.ts';
import { pathReadings, type RequestTarget } from '../http1/target.ts';
import { type HostRoutes, type Route, reservedPath } from '../routes/route-table.ts';

const slash = 0x2f;
const dot = 0x2e;
const encodedSeparators = /%(?:25)*(?:2f|5c)/i;
const semicolons = /;|%(?:25)*3b/i;
const reservedBytes = Buffer.from(reservedPath, 'latin1');

/**
 * The route that a request's path meets. What is matched here is what is authorised, and what is sent on is its bytes
 * unchanged ({@link targetFor}): so a path is refused that a backend may read as another application's.
 *
 * - A path that is not plain is looked up in both of its readings.
 * - Where several applications share a host, upper and lower case must not decide between them: their backend may be one
 *   that does not tell them apart.
 *
 * @param target Of the head, as `checkTarget` left it.
 * @throws Http1Error `ambiguous_target`
 */
export function routeOf(head: MessageHead, target: RequestTarget, host: HostRoutes): Route | undefined {
  const { bytes } = head;
  // `/.` begins nothing that the fast check would call plain but the service's own paths.
  if (bytes[target.start + 1] === dot && startsWithReserved(bytes, target)) return host.reserved;
  if (target.isPlain) {
    if (host.only !== null) return host.only;
    return findUnambiguous(host, bytes.toString('latin1', target.start, target.pathEnd));
  }
  const { strict, lenient } = pathReadings(bytes, target.start, target.pathEnd);
  if (strict.startsWith(reservedPath) || lenient.startsWith(reservedPath)) {
    throw new Http1Error('ambiguous_target');
  }
  if (host.only !== null) return host.only;
  // Whether `;` ends at an encoded separator makes a third reading; nobody needs both in one path.
  const written = bytes.toString('latin1', target.start, target.pathEnd);
  if (encodedSeparators.test(written) && semicolons.test(written)) throw new Http1Error('ambiguous_target');
  const route = findUnambiguous(host, strict);
  if (route !== findUnambiguous(host, lenient)) throw new Http1Error('ambiguous_target');
  return route;
}

/** The path of a request in every way that it may be read; mostly one. */
export function pathsOf(head: MessageHead, target: RequestTarget): readonly string[] {
  const { bytes } = head;
  if (target.isPlain) return [bytes.toString('latin1', target.start, target.pathEnd)];
  const { strict, lenient } = pathReadings(bytes, target.start, target.pathEnd);
  return [strict, lenient];
}

/**
 * The target in the backend's own terms: its path where the published one differs, and never more than origin-form.
 *
 * @returns null where the client's own is sent as it is.
 */
export function targetFor(head: MessageHead, target: RequestTarget, route: Route): string | null {
  const { bytes } = head;
  if (route.externalPath === route.internalPath) {
    return target.start === head.targetStart ? null : bytes.toString('latin1', target.start, target.end);
  }
  // The segments of the published path go, however they were written: they are those that were matched.
  let at = target.start;
  for (let segment = 0; segment < route.externalDepth; segment++) {
    at = bytes.indexOf(slash, at + 1);
    if (at < 0 || at >= target.pathEnd) {
      // `/app` for what is published as `/app/` stays without its slash.
      const query = bytes.toString('latin1', target.pathEnd, target.end);
      return (route.internalPath.slice(0, -1) || '/') + query;
    }
  }
  return route.internalPath + bytes.toString('latin1', at + 1, target.end);
}

function findUnambiguous(host: HostRoutes, path: string): Route | undefined {
  const route = host.find(path);
  if (route !== undefined && host.findFolded(path) !== route) throw new Http1Error('ambiguous_target');
  return route;
}

function startsWithReserved(bytes: Buffer, target: RequestTarget): boolean {
  const end = target.start + reservedBytes.length;
  return (
    end <= target.pathEnd && bytes.compare(reservedBytes, 0, reservedBytes.length, target.start, end) === 0
  );
}
