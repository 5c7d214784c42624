import { networkInterfaces } from 'node:os';
import type { OutsideView, ServiceContext } from './context.ts';
import { examineConnector } from './running-service.ts';

/**
 * Has a connector on another machine look at the service: once for all checks that ask, since it takes some seconds. A
 * connector on this machine sees nothing of what lies between here and the world.
 */
export function lookFromOutside(context: ServiceContext, signal: AbortSignal): Promise<OutsideView> {
  context.found.outside ??= look(context, signal);
  return context.found.outside;
}

async function look({ running, paths, now }: ServiceContext, signal: AbortSignal): Promise<OutsideView> {
  if (running === null) return { missing: 'The service does not run.' };
  const { connectors } = running;
  if (connectors.length === 0) {
    return { missing: 'No connector is connected that could look from outside.' };
  }
  const own = new Set(
    Object.values(networkInterfaces()).flatMap(list => (list ?? []).map(one => one.address)),
  );
  const away = connectors.filter(one => !isLoopback(one.externalIp) && !own.has(one.externalIp));
  if (away.length === 0) {
    return {
      missing: `Every connected connector (${connectors[0]!.machineName}) runs on this machine, where no firewall is between.`,
    };
  }
  const [first] = away;
  const report = await examineConnector(paths.controlSocket, first!.id, signal);
  if (report === null) {
    return { missing: `The connector ${first!.machineName} did not answer; an older release cannot.` };
  }
  return { connector: first!.machineName, address: first!.externalIp, report, at: now() };
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.replace(/^::ffff:/, '').startsWith('127.');
}
