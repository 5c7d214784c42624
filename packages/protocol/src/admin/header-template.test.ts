import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseHeaderTemplate } from './header-template.ts';

describe('a template for a header', () => {
  for (const [template, parts] of [
    ['', ['']],
    ['plain', ['plain']],
    ['{user.id}', [{ claim: 'user.id' }]],
    ['a {user.id} b {request.id}', ['a ', { claim: 'user.id' }, ' b ', { claim: 'request.id' }]],
    ['{{{user.id}}}', ['{', { claim: 'user.id' }, '}']],
    ['{{user.id}}', ['{user.id}']],
  ] as const) {
    test(`${JSON.stringify(template)} has ${JSON.stringify(parts)}`, () =>
      assert.deepEqual(parseHeaderTemplate(template), parts));
  }

  for (const [template, problem] of [
    ['{', /without its \}/],
    ['{user.id', /without its \}/],
    ['}', /without its \{/],
    ['a} b', /without its \{/],
    ['{}', /names \{\}/],
    ['{User.Id}', /names \{User\.Id\}, which is none of \{user\.userPrincipalName\}/],
    ['{constructor}', /names \{constructor\}/],
    ['{__proto__}', /names \{__proto__\}/],
    ['{user.id{request.id}}', /names \{user\.id\{request\.id\}/],
  ] as const) {
    test(`${template} is refused`, () => {
      const parsed = parseHeaderTemplate(template);
      assert.ok('problem' in parsed);
      assert.match(parsed.problem, problem);
    });
  }
});
