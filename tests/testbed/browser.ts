import { request } from 'node:https';
import { Browser } from '@postern/server/sign-in/test-browser';
import type { Testbed } from './testbed.ts';

/** A browser that reaches the public port, whatever the name. */
export function browserAt({ port, ca }: Testbed): Browser {
  return new Browser((options, received) => {
    const servername = options.headers['host']!.replace(/:\d+$/, '');
    return request({ ...options, host: '127.0.0.1', port, servername, ca, agent: false }, received);
  });
}
