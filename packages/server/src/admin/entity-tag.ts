import { AdminError } from './admin-error.ts';

/** The entity tag of a row's version (RFC 9110 §8.8.3): weak, since it names the row and not the bytes of its JSON. */
export function entityTag(version: number): string {
  return `W/"${version}"`;
}

/**
 * The version that a change is meant for, from If-Match; undefined where any version will do. Weak tags match, other
 * than RFC 9110 §13.1.1 has it for strong comparison, as they do in Microsoft Graph.
 *
 * @throws AdminError `Request_BadRequest` for something that is no entity tag of ours.
 */
export function expectedVersion(ifMatch: string | undefined): number | undefined {
  if (ifMatch === undefined || ifMatch.trim() === '*') {
    return undefined;
  }
  const version = /^\s*(?:W\/)?"(\d{1,15})"\s*$/.exec(ifMatch)?.[1];
  if (version === undefined) {
    throw new AdminError('Request_BadRequest', 'If-Match takes one ETag as it was given, or *.');
  }
  return Number(version);
}
