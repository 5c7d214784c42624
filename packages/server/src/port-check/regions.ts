import { controlHosts, plainHttpPort } from '../config/names.ts';
import type { Config } from '../config/schema.ts';

/** A service whose ports are tested from the visitor's browser. */
export interface Region {
  readonly name: string;
  readonly host: string;
  readonly httpsPort: number;
  /** Null where that service answers no plain HTTP. */
  readonly httpPort: number | null;
}

/** The regions of the configuration; where there are none, this service itself. */
export function regionsOf(
  config: Pick<Config, 'domain' | 'publicPort' | 'listen' | 'portCheck'>,
): readonly Region[] {
  const { regions } = config.portCheck;
  if (regions.length > 0) return regions;
  return [
    {
      name: 'This service',
      host: controlHosts(config).portcheck,
      httpsPort: config.publicPort,
      httpPort: plainHttpPort(config),
    },
  ];
}
