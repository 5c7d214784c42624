/**
 * A number for a client and a connector, always the same, and spread evenly: of several connectors a client belongs to the
 * one with the highest (rendezvous hashing, Thaler and Ravishankar 1998). When a connector goes, only its own clients
 * move, and when it returns, they do; nothing is stored, and every relay and every restart comes to the same.
 */
export function affinityOf(client: string, connectorId: string): number {
  return mix(addText(addText(0x811c9dc5, client), connectorId));
}

/** FNV-1a over UTF-16 units. */
function addText(start: number, text: string): number {
  let hash = start;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash;
}

// FNV leaves the last characters in the low bits; what is compared are the high ones (the finalizer of MurmurHash3).
function mix(start: number): number {
  let hash = start ^ (start >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
