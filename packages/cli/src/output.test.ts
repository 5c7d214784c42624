import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Column, formatProperties, formatTable } from './output.ts';

interface Row {
  readonly name: string;
  readonly id: string;
}
const columns: readonly Column<Row>[] = [
  { title: 'NAME', value: row => row.name, flexible: true },
  { title: 'ID', value: row => row.id },
];

describe('tables', () => {
  test('are aligned, without spaces at the ends of lines', () => {
    const table = formatTable(
      [
        { name: 'Wiki', id: '1' },
        { name: 'A longer name', id: '22' },
      ],
      columns,
    );

    assert.equal(table, 'NAME           ID\nWiki           1\nA longer name  22');
  });

  test('stay within 100 columns by cutting what may be cut', () => {
    const table = formatTable([{ name: 'n'.repeat(200), id: 'i'.repeat(36) }], columns);
    const [, line] = table.split('\n');

    assert.equal(line.length, 100);
    assert.equal(line, `${'n'.repeat(61)}…  ${'i'.repeat(36)}`);
  });

  test('are aligned and cut by what a terminal shows, with no letter cut in two', () => {
    const id = 'i'.repeat(40);
    const table = formatTable(
      [
        { name: '人事管理・ポータル', id },
        { name: 'Zoe\u0308 🦊', id },
        { name: '🦊'.repeat(60), id },
      ],
      columns,
    );

    assert.deepEqual(table.split('\n').slice(1), [
      `人事管理・ポータル${' '.repeat(42)}${id}`,
      `Zoe\u0308 🦊${' '.repeat(54)}${id}`,
      `${'🦊'.repeat(28)}…   ${id}`,
    ]);
  });

  test('show no control characters of other people (threats D18, G15)', () => {
    const table = formatTable([{ name: 'a\u001b[31m\nb\u202ec', id: '1' }], columns);

    assert.equal(table, 'NAME        ID\na?[31m?b?c  1');
  });
});

test('properties are aligned, and one without a value is a dash', () => {
  assert.equal(
    formatProperties([
      ['Name', 'Wiki'],
      ['Home page', null],
      ['Roles', ''],
    ]),
    'Name       Wiki\nHome page  –\nRoles      –',
  );
});
