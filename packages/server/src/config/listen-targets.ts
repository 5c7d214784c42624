import { ConfigError, type Environment } from './load.ts';
import { type Config, type Endpoint, formatEndpoint } from './schema.ts';

/** Where to listen: an address to bind, or a socket that systemd has bound already. */
export type ListenTarget =
  | { readonly kind: 'address'; readonly endpoint: Endpoint }
  | { readonly kind: 'descriptor'; readonly fd: number; readonly endpoint: Endpoint };

export interface ListenTargets {
  readonly https: readonly ListenTarget[];
  readonly http: readonly ListenTarget[];
  readonly private: readonly ListenTarget[];
}

/** The first descriptor that systemd passes (sd_listen_fds(3)). */
const firstDescriptor = 3;

/**
 * Gives what each listener is to listen on. Under socket activation the descriptors come in the order of the unit's
 * `ListenStream=` lines, which `postern service install` writes in the order of the configuration: https, http, private.
 *
 * @param processId Descriptors meant for another process are not ours.
 * @throws ConfigError `config_invalid` where the unit passes another number of sockets than the configuration has.
 */
export function listenTargets(
  config: Pick<Config, 'listen'>,
  environment: Environment,
  processId: number,
): ListenTargets {
  const { https, http, private: privateEndpoints } = config.listen;
  const passed = environment['LISTEN_PID'] === String(processId) ? Number(environment['LISTEN_FDS'] ?? 0) : 0;
  const all = [...https, ...http, ...privateEndpoints];
  if (passed !== 0 && passed !== all.length) throw mismatch(passed, all);

  const targets = all.map(
    (endpoint, index): ListenTarget =>
      passed === 0
        ? { kind: 'address', endpoint }
        : { kind: 'descriptor', fd: firstDescriptor + index, endpoint },
  );
  return {
    https: targets.slice(0, https.length),
    http: targets.slice(https.length, https.length + http.length),
    private: targets.slice(https.length + http.length),
  };
}

function mismatch(passed: number, endpoints: readonly Endpoint[]): ConfigError {
  return new ConfigError(
    'config_invalid',
    `systemd passes ${passed} sockets, and the configuration listens on ${endpoints.length} addresses (${endpoints
      .map(formatEndpoint)
      .join(', ')}). Run \`postern service install\` again after changing the option listen.`,
  );
}
