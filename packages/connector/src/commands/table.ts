import type { ConnectorCommand } from './command.ts';

/** Every command of the connector's program, in the order of its help; each is loaded when it is asked for. */
export const commands: Readonly<Record<string, () => Promise<ConnectorCommand>>> = {
  register: async () => (await import('./register.ts')).registerCommand,
  run: async () => (await import('./run.ts')).runCommand,
  events: async () => (await import('./events.ts')).eventsCommand,
  doctor: async () => (await import('./doctor.ts')).doctorCommand,
  requirements: async () => (await import('./requirements.ts')).requirementsCommand,
  install: async () => (await import('./install.ts')).installCommand,
  uninstall: async () => (await import('./uninstall.ts')).uninstallCommand,
  start: async () => (await import('./start.ts')).startCommand,
  stop: async () => (await import('./stop.ts')).stopCommand,
  restart: async () => (await import('./restart.ts')).restartCommand,
  certificates: async () => (await import('./certificates.ts')).certificatesCommand,
  status: async () => (await import('./status.ts')).statusCommand,
};
