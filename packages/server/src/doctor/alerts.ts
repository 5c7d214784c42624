import { failed, notRun, type Outcome, passed } from '@postern/protocol/doctor/check';
import { AlertError, type ConfiguredChannel } from '../alerts/alert.ts';
import { createChannels } from '../alerts/create-channels.ts';
import type { ServiceCheck, ServiceContext } from './context.ts';

const none =
  'Nobody hears of a certificate that is about to expire. `docs/alerts.md` says how to be told by mail or webhook.';

/** The ways that alerts leave the service by; nobody gets anything. */
export const alertChecks: readonly ServiceCheck[] = [
  {
    id: 'alerts.mail',
    title: 'The mail server takes connections, TLS and the sign-in',
    otherwise: 'Alerts by mail do not arrive. No mail is sent by this check; `postern alert test` sends one.',
    limitMs: 18_000,
    run: context => tryChannels(context, name => name === 'mail', 'mail.host is not set.'),
  },
  {
    id: 'alerts.webhooks',
    title: 'The receivers of webhooks take connections, and their certificates are accepted',
    otherwise:
      'Alerts by webhook do not arrive. Nothing is posted by this check; `postern alert test` posts one.',
    limitMs: 18_000,
    run: context => tryChannels(context, name => name !== 'mail', 'webhooks is empty.'),
  },
];

async function tryChannels(
  { config, outbound, outboundProblem, now }: ServiceContext,
  isMeant: (name: string) => boolean,
  whyNone: string,
): Promise<Outcome> {
  const channels = createChannels(config, outbound, now).filter(({ name }) => isMeant(name));
  if (channels.length === 0) return notRun(`${whyNone} ${none}`);
  if (outboundProblem !== '') {
    return failed(
      {
        tried: 'HTTPS_PROXY and NO_PROXY of the service',
        seen: outboundProblem,
        command: 'printenv HTTPS_PROXY',
      },
      outboundProblem,
      'Take the variable out of the environment of the service, or set outboundProxy.url, which wins over it.',
    );
  }
  const tries = await Promise.all(channels.map(tryOne));
  const bad = tries.filter(one => one.problem !== null);
  const observation = {
    tried: `${channels.map(one => one.name).join(', ')}, without sending anything`,
    seen: tries.map(one => one.seen).join('; '),
    command: 'postern alert test',
  };
  if (bad.length === 0) return passed(observation);
  return failed(observation, bad.map(one => one.seen).join(' '), bad[0]!.problem!);
}

/** `problem` is what to do. */
async function tryOne(channel: ConfiguredChannel): Promise<{ seen: string; problem: string | null }> {
  try {
    return { seen: await channel.tryOut(), problem: null };
  } catch (error) {
    if (!(error instanceof AlertError)) throw error;
    return { seen: error.message, problem: error.remedy };
  }
}
