/** One connection that a firewall has to let out of the private network. */
export interface RequiredConnection {
  readonly host: string;
  readonly port: number;
  readonly purpose: string;
}

/**
 * What a connector's machine, and the administrator who registers it, have to reach at a service of this domain. Nothing
 * has to come in.
 *
 * @param httpPort Port for plain HTTP; null where the service answers none.
 */
export function requiredConnections(
  domain: string,
  httpsPort: number,
  httpPort: number | null,
): RequiredConnection[] {
  const [connect, login, portal, portcheck] = ['connect', 'login', 'portal', 'portcheck'].map(
    label => `${label}.${domain}`,
  ) as [string, string, string, string];
  const plain = (host: string, purpose: string) =>
    httpPort === null ? [] : [{ host, port: httpPort, purpose }];
  return [
    {
      host: connect,
      port: httpsPort,
      purpose: 'registration and tunnels; the connector needs only this one once it is registered',
    },
    { host: login, port: httpsPort, purpose: 'the administrator signs in' },
    { host: portal, port: httpsPort, purpose: 'Admin center and admin API' },
    ...plain(connect, 'revocation list; not needed for anything else'),
    { host: portcheck, port: httpsPort, purpose: 'port check page, for browsers' },
    ...plain(portcheck, 'port check page, for browsers'),
  ];
}
