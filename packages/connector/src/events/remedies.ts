import { OutboundError } from '@postern/outbound/outbound';
import type { RefusalReason } from '@postern/protocol/tunnel/messages';
import type { TunnelError } from '../tunnel-client.ts';

const registerAgain = 'Register the connector again on this machine with "postern connector register".';

const refusals: Readonly<Record<RefusalReason, string>> = {
  no_certificate:
    'Something between here and the service opens TLS connections and drops the client certificate: let it pass this name untouched.',
  unknown_issuer: `The service does not know the authority of this certificate. ${registerAgain}`,
  expired: `The trust certificate has expired. Check this machine's clock; if it is right: ${registerAgain}`,
  not_yet_valid: "Set this machine's clock, or the service's.",
  wrong_usage: `The certificate was not made for connectors. ${registerAgain}`,
  unknown_certificate: `The service has no record of this certificate, as after a restore of an older backup. ${registerAgain}`,
  revoked: `An administrator has revoked this connector. If it is to be used again: ${registerAgain}`,
  busy: 'The service is busy; the connector tries again by itself.',
};

/** What an administrator can do about a tunnel that failed: one or two sentences. */
export function remedyFor(error: TunnelError, host: string, port: number): string {
  switch (error.code) {
    case 'refused':
      return (error.refusal !== null && refusals[error.refusal]) || registerAgain;
    case 'unreachable':
      if (error.cause instanceof OutboundError && error.cause.proxy !== null) return error.cause.remedy;
      return `Let this machine make outbound TCP connections to ${host} port ${port}, and check that its name resolves. The connector tries again by itself.`;
    case 'untrusted_service':
      return `Who answers as ${host} is not the service that this connector was registered with. Let firewalls and proxies pass TLS to this name untouched; if the service was set up anew: ${registerAgain}`;
    case 'not_a_tunnel':
      return `Check that ${host}:${port} is the service itself, and that nothing between changes TLS connections to it.`;
    case 'protocol_error':
      return 'Bring connector and service to the same release.';
    case 'lost':
    case 'closed':
      return 'The connector connects again by itself.';
  }
}
