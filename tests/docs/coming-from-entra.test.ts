/** docs/coming-from-entra.md leaves no setting out, and names nothing that there is not. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { onPremisesPublishing, onPremisesPublishingUpdate } from '@postern/protocol/admin/publishing';
import { commands as commandsOfConnector } from '../../packages/connector/src/commands/table.ts';

const docs = path.resolve(import.meta.dirname, '../../docs');
const read = (name: string) => readFileSync(path.join(docs, name), 'utf8');
const page = read('coming-from-entra.md');
const manual = read('cli.md');
const connectorCommands = Object.keys(commandsOfConnector);
/** Everything in the page that is written as code. */
const codes = [...page.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);

describe('the page for those who come from Entra', () => {
  test('names every property of onPremisesPublishing', () => {
    const properties = [onPremisesPublishing, onPremisesPublishingUpdate].flatMap(schema =>
      Object.keys(schema.shape),
    );
    const named = new Set(codes.map(code => code.split('.')[0]));

    assert.deepEqual(
      properties.filter(property => !named.has(property)),
      [],
    );
  });

  test('names commands and options that there are', () => {
    const commands = codes.flatMap(code => /^postern((?: [a-z][a-z-]*)+)/.exec(code)?.[1]?.trim() ?? []);
    const options = codes.flatMap(code => code.match(/(?<!\S)--[a-z][a-z-]+/g) ?? []);

    assert.ok(commands.length > 20 && options.length > 20);
    for (const command of commands) {
      const isThere =
        manual.includes(`\n## postern ${command}\n`) ||
        new RegExp(`^  ${command} `, 'm').test(manual) ||
        // Some of the connector's commands the command line only hands on.
        connectorCommands.some(name => command === `connector ${name}`);
      assert.ok(isThere, `postern ${command}`);
    }
    for (const option of options) assert.match(manual, new RegExp(`(?<![\\w-])${option}(?![\\w-])`));
  });

  test('says of no Graph call that it is the same which the admin API does not have', () => {
    const { paths }: { paths: Record<string, object> } = JSON.parse(read('openapi.json'));
    const routes = Object.entries(paths).flatMap(([route, methods]) =>
      Object.keys(methods).map(method => `${method.toUpperCase()} ${route}`),
    );
    const section = page.slice(page.indexOf('## Graph calls'));
    const rows = section.split('\n').filter(line => line.split(' | ')[1] === 'the same');
    const calls = rows.flatMap(row => [...row.matchAll(/`([A-Z]+) (\S+)`/g)].map(([, ...call]) => call));

    assert.ok(calls.length > 25);
    for (const [method, route = ''] of calls) {
      const end = route.startsWith('…') ? route.slice(1) : `/api/v1.0${route}`;
      assert.ok(
        routes.some(each => each.startsWith(`${method} `) && each.endsWith(end)),
        `${method} ${route}`,
      );
    }
  });

  test('has no row with a cell too many, and no link that leads nowhere', () => {
    for (const table of page.split('\n\n').filter(block => block.startsWith('| '))) {
      const rows = table.trim().split('\n');
      for (const row of rows) assert.equal(row.split('|').length, rows[0]?.split('|').length, row);
    }
    for (const [, file = '', anchor] of page.matchAll(/\]\(([^)#]+)(?:#([^)]+))?\)/g)) {
      assert.ok(existsSync(path.join(docs, file)), file);
      if (anchor !== undefined) assert.ok(anchorsOf(read(file)).includes(anchor), `${file}#${anchor}`);
    }
  });
});

/** The anchors that headings get where Markdown is shown. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
