import { execFileSync } from 'node:child_process';

/**
 * The library that, preloaded, shows a program another time. Its own command stays between a program and whoever started
 * it, who would end that one and leave the program behind.
 */
export function libfaketime(): string {
  const said = execFileSync('faketime', ['-f', '+0', 'env'], { encoding: 'utf8' });
  const library = /^LD_PRELOAD=(.+)$/m.exec(said)?.[1];
  if (library === undefined) throw new Error(`faketime names no library:\n${said}`);
  return library;
}
