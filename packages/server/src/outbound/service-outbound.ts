import { type Outbound, outboundFrom, type SettingNames } from '@postern/outbound/outbound';

/** `outboundProxy` of the configuration. */
interface ProxySettings {
  readonly url: string;
  readonly passwordFile: string;
  readonly caFile: string;
  readonly noProxy: string;
}

const names: SettingNames = {
  source: 'outboundProxy.url',
  proxy: 'outboundProxy.url',
  passwordFile: 'outboundProxy.passwordFile',
  caFile: 'outboundProxy.caFile',
};

/**
 * How the service itself connects to what lies outside: mail servers, webhooks, certificate authorities. What the
 * configuration leaves empty is as the variables HTTPS_PROXY and NO_PROXY say.
 *
 * @throws RangeError saying what of the variables cannot be used, and what can. The options of a configuration that was
 *   loaded have been looked at.
 */
export function serviceOutbound(
  { outboundProxy }: { readonly outboundProxy: ProxySettings },
  environment: Readonly<Record<string, string | undefined>>,
): Outbound {
  const given = (text: string) => (text === '' ? undefined : text);
  return outboundFrom(
    {
      proxy: given(outboundProxy.url),
      proxyPasswordFile: given(outboundProxy.passwordFile),
      proxyCaFile: given(outboundProxy.caFile),
      noProxy: given(outboundProxy.noProxy),
      names,
    },
    environment,
  );
}
