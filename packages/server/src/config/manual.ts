import { allowedValues, formatValue, type OptionNode, optionTree } from './options.ts';
import { configSchema } from './schema.ts';

/** The configuration manual, Markdown, made from the schema. `docs/configuration.md` holds its output. */
export function writeManual(): string {
  const tree = optionTree(configSchema);
  const single = tree.filter(node => node.path.length === 1 && node.kind !== 'group');
  const groups = tree.filter(node => node.kind === 'group');
  const text = [
    introduction,
    '## Options without a group',
    ...single.flatMap(node => entry(node, tree)),
    ...groups.flatMap(group => [
      `## ${group.name}`,
      group.meta.description,
      ...tree
        .filter(node => node.path[0] === group.name && node.path.length === 2)
        .flatMap(node => entry(node, tree)),
    ]),
  ].join('\n\n');
  // Outside code, Markdown takes <domain> for a tag of HTML.
  return `${text.replace(/<(domain|dataDir)>/g, '&lt;$1>')}\n`;
}

const introduction = `# Configuration

Made by \`postern config manual\` from packages/server/src/config/schema.ts; change the descriptions there.

The service reads one YAML file: the one named by \`--config\`, else by the variable \`POSTERN_CONFIG\`, else
\`/etc/postern/postern.yaml\`. Each option can also be set by an environment variable, which wins over the file; lists are written
there with commas between their items, lists of mappings as JSON. Unknown options and variables are refused. \`postern config check\`
names every problem at once and ends with exit code 2; \`postern config show\` prints what is in force, defaults included.

The smallest file that works:

\`\`\`yaml
domain: access.example.com
certificates:
  files:
    - certificateFile: /etc/postern/tls/access.example.com.pem
      keyFile: /etc/postern/tls/access.example.com.key
\`\`\``;

function entry(node: OptionNode, tree: readonly OptionNode[]): string[] {
  const below = tree.filter(
    other => other.inList && other.path.length === node.path.length + 1 && startsWith(other, node),
  );
  return [
    `### ${node.name}`,
    node.meta.description,
    facts(node),
    ...below.flatMap(member => [memberLine(member)]),
  ];
}

function facts(node: OptionNode): string {
  const lines = [
    `- Allowed: ${allowedValues(node)}`,
    node.required ? '- Required' : `- Default: ${node.meta.shownDefault ?? shownDefault(node)}`,
    node.meta.zero && `- ${zeroOf(node)}: ${node.meta.zero}`,
    `- Variable: \`${node.variable}\``,
  ];
  return lines.filter(Boolean).join('\n');
}

function shownDefault(node: OptionNode): string {
  if (Array.isArray(node.defaultValue) && node.defaultValue.length === 0) return 'an empty list';
  const value = formatValue(node.defaultValue);
  return node.meta.unit ? `${value} ${node.meta.unit}` : value;
}

function zeroOf(node: OptionNode): string {
  if (node.kind === 'number') return '0 means';
  return node.kind === 'list' ? 'An empty list means' : 'Empty means';
}

function memberLine(member: OptionNode): string {
  return `- \`${member.path[member.path.length - 1]}\`: ${member.meta.description} Allowed: ${allowedValues(member)}.`;
}

function startsWith(member: OptionNode, list: OptionNode): boolean {
  return list.path.every((key, index) => member.path[index] === key);
}
