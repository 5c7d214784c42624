import { setTimeout as delay } from 'node:timers/promises';
import { type Outbound, outboundFrom } from '@postern/outbound/outbound';
import { WindowBudget } from '@postern/protocol/yamux/window-budget';
import { AllowList } from '../allow-list.ts';
import { type Identity, loadIdentity } from '../identity/identity.ts';
import { type LocalSettings, readLocalSettings, readOutbound } from '../local-settings.ts';
import { TunnelClient, TunnelError } from '../tunnel-client.ts';
import { connectorVersion, describeOs } from '../version.ts';

const defaultTimeoutMs = 15_000;
const pauseMs = 200;

/**
 * Has the service revoke the connector of a data folder. The connector asks for it through a tunnel, which proves who it
 * is; that it was done shows in the refusal of a later tunnel.
 *
 * @throws IdentityError where there is no identity to use, TunnelError where the service could not be reached or did not
 *   do it within `timeoutMs`.
 */
export async function leaveService(dataDir: string, timeoutMs = defaultTimeoutMs): Promise<void> {
  const identity = await loadIdentity(dataDir, Date.now());
  const outbound = await readOutbound(dataDir, process.env);
  const settings = await readLocalSettings(dataDir);
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const end = await askToLeave(identity, outbound, settings, deadline - performance.now());
    if (isGone(end)) return;
    if (end.code !== 'closed' && end.code !== 'lost') throw end;
    if (performance.now() + pauseMs > deadline) break;
    await delay(pauseMs);
  }
  throw new TunnelError('closed', 'the service did not do it when asked');
}

function isGone({ code, refusal }: TunnelError): boolean {
  return code === 'refused' && (refusal === 'revoked' || refusal === 'unknown_certificate');
}

/** Asks through a tunnel of its own. @returns how that tunnel ended. */
function askToLeave(
  { service, pairs }: Identity,
  outbound: Outbound,
  settings: LocalSettings,
  timeoutMs: number,
): Promise<TunnelError> {
  const { promise, resolve } = Promise.withResolvers<TunnelError>();
  const tunnel = new TunnelClient({
    service,
    pair: pairs[0]!,
    allow: new AllowList(settings.allow),
    machineName: service.machineName,
    version: connectorVersion,
    os: describeOs(),
    windowBudget: new WindowBudget(),
    outbound,
    backendOutbound: outboundFrom(settings.backends, {}),
    backendTimeoutMs: timeoutMs,
    now: () => performance.now(),
    hooks: {
      onWelcome() {
        tunnel.leave();
        // For requests another tunnel is there, or none: this one takes no more.
        tunnel.drain();
      },
      onConfigured: () => {},
      onStreamOpened: () => {},
      onGoAway: () => {},
      onClose(_tunnel, error) {
        clearTimeout(timer);
        resolve(error);
      },
    },
  });
  const timer = setTimeout(() => tunnel.close(), timeoutMs);
  return promise;
}
