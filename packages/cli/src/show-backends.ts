import type { BackendHealth, ConnectorHealth } from '@postern/protocol/admin/backend-health';
import { formatTime } from './format-time.ts';
import { printable } from './output.ts';

/** The backends of an application, and below each the connectors of its group, with what is wrong and what to do. */
export function formatBackendHealth(backends: readonly BackendHealth[]): string {
  const isAlone = backends.length === 1;
  return backends
    .flatMap(({ url, weight, isBackup, connectors }) => {
      const role = isBackup ? `, backup, weight ${weight}` : isAlone ? '' : `, weight ${weight}`;
      const width = Math.max(...connectors.map(one => one.machineName.length), 0);
      return [`Backend ${url}${role}`, ...connectors.flatMap(one => linesOf(one, width))];
    })
    .map(printable)
    .join('\n');
}

function linesOf(
  { machineName, state, sinceDateTime, lastFailure }: ConnectorHealth,
  width: number,
): string[] {
  const since = sinceDateTime === null ? '' : ` since ${formatTime(sinceDateTime)}`;
  const failure = lastFailure && `${lastFailure.code} at the ${lastFailure.hop}: ${lastFailure.detail}`;
  const name = `  through ${machineName.padEnd(width)}  `;
  const indent = ' '.repeat(name.length);
  switch (state) {
    case 'offline':
      return [`${name}– it takes no requests now`];
    case 'unknown':
      return [`${name}nothing is known against it`];
    case 'healthy':
      return [`${name}healthy${since}`];
    case 'unhealthy':
      return [
        `${name}unhealthy${since}`,
        ...(lastFailure === null ? [] : [`${indent}${failure}`, `${indent}${lastFailure.remedy}`]),
      ];
  }
}
