import { existsSync } from 'node:fs';
import { dataPaths } from '../config/names.ts';
import type { Config } from '../config/schema.ts';
import { OperateError } from './operate-error.ts';

/** @throws OperateError `failed` where nothing has been set up under this configuration. */
export function requireSetUp(config: Config): void {
  const { database } = dataPaths(config);
  if (existsSync(database)) return;
  throw new OperateError('failed', `There is no database ${database}.`, {
    remedy: 'Run `postern init` to set the service up, or `postern restore` to put a backup back.',
  });
}
