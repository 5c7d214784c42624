import type { BackendConfiguration } from './messages.ts';

/**
 * A configuration as it travels: certificates that many backends share are sent once, and named by their place in
 * `authorities`, since hundreds of applications mostly trust the same one and a message has a greatest size.
 */
export interface PackedBackends {
  readonly backends: readonly PackedBackend[];
  /** PEM, one or more certificates each. */
  readonly authorities?: readonly string[];
}

type PackedBackend = Omit<BackendConfiguration, 'authorities'> & { readonly authorities?: number };

export function packBackends(backends: readonly BackendConfiguration[]): PackedBackends {
  const places = new Map<string, number>();
  const packed = backends.map(({ authorities, ...backend }): PackedBackend => {
    if (authorities === undefined) return backend;
    const place = places.get(authorities) ?? places.size;
    places.set(authorities, place);
    return { ...backend, authorities: place };
  });
  return { backends: packed, ...(places.size > 0 && { authorities: [...places.keys()] }) };
}

/**
 * Reads what a service says may be dialled. Entries that cannot be understood, as those of a newer service, are left out.
 *
 * @throws SyntaxError if it is no configuration at all.
 */
export function unpackBackends(message: {
  readonly backends: unknown;
  readonly authorities?: unknown;
}): BackendConfiguration[] {
  if (!Array.isArray(message.backends)) throw new SyntaxError('a configuration has a list of backends');
  const texts: readonly unknown[] = Array.isArray(message.authorities) ? message.authorities : [];
  return message.backends.filter(isBackend).flatMap(({ authorities, ...backend }) => {
    if (authorities === undefined) return [backend];
    const text = texts[authorities];
    // Without its certificates a backend could not be told from an impostor.
    return typeof text === 'string' ? [{ ...backend, authorities: text }] : [];
  });
}

function isBackend(value: unknown): value is PackedBackend {
  const backend = value as Partial<PackedBackend> | null;
  return (
    typeof backend === 'object' &&
    backend !== null &&
    typeof backend.applicationId === 'string' &&
    typeof backend.host === 'string' &&
    backend.host !== '' &&
    Number.isInteger(backend.port) &&
    backend.port! > 0 &&
    backend.port! < 65_536 &&
    typeof backend.tls === 'boolean' &&
    typeof backend.validateCertificate === 'boolean' &&
    (backend.http2 === undefined || backend.http2 === true) &&
    (backend.authorities === undefined || Number.isInteger(backend.authorities))
  );
}
