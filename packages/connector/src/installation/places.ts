import { join } from 'node:path';

/** The system user that the connector runs as. */
export const serviceUser = 'postern-connector';

export const serviceUnit = 'postern-connector.service';

/** Where an installation puts things. */
export interface Places {
  /** One folder for each version, and the link `current`. */
  readonly programs: string;
  readonly units: string;
  /** Environment of the service, `NAME=value` lines; made by administrators, never by us. */
  readonly environmentFile: string;
}

export const places: Places = {
  programs: '/opt/postern',
  units: '/etc/systemd/system',
  environmentFile: '/etc/postern/connector.env',
};

export function unitFile({ units }: Places): string {
  return join(units, serviceUnit);
}

/** The link that names the version in use. */
export function currentLink({ programs }: Places): string {
  return join(programs, 'current');
}
