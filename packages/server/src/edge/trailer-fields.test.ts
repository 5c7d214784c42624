import assert from 'node:assert/strict';
import { test } from 'node:test';
import { trailerFields } from './trailer-fields.ts';

test('a trailer may have a name that objects have, and come more than once', () => {
  const fields = trailerFields(Buffer.from('Constructor: 1\r\n__proto__: 2\r\nX-Sum: 3\r\nx-sum: 4\r\n'));

  assert.deepEqual(Object.entries(fields), [
    ['constructor', ['1']],
    ['__proto__', ['2']],
    ['x-sum', ['3', '4']],
  ]);
});
