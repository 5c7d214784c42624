import type { ConnectorCommand } from './command.ts';

/** Every command of the connector's program, in the order of its help; each is loaded when it is asked for. */
export const commands: Readonly<Record<string, () => Promise<ConnectorCommand>>> = {
  register: async () => (await import('./register.ts')).registerCommand,
  run: async () => (await import('./run.ts')).runCommand,
  events: async () => (await import('./events.ts')).eventsCommand,
  status: async () => (await import('./status.ts')).statusCommand,
};
