import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { mayHaveBrowser } from './sign-in-options.ts';

describe('a browser is opened', () => {
  for (const [where, platform, environment, expected] of [
    ['on a Linux desktop', 'linux', { DISPLAY: ':0' }, true],
    ['under Wayland', 'linux', { WAYLAND_DISPLAY: 'wayland-0' }, true],
    ['on a Mac', 'darwin', {}, true],
    ['on Windows', 'win32', {}, true],
    ['over SSH with a forwarded display', 'linux', { SSH_CONNECTION: 'x', DISPLAY: 'localhost:10' }, true],
  ] as const) {
    test(where, () => assert.equal(mayHaveBrowser(platform, environment), expected));
  }
});

describe('a code is shown in place of a browser', () => {
  for (const [where, platform, environment] of [
    ['on a Linux server', 'linux', {}],
    ['over SSH', 'linux', { SSH_CONNECTION: 'x' }],
    ['over SSH to a Mac', 'darwin', { SSH_CONNECTION: 'x' }],
    ['where the variable is empty', 'linux', { DISPLAY: '' }],
  ] as const) {
    test(where, () => assert.equal(mayHaveBrowser(platform, environment), false));
  }
});
