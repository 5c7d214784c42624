import { z } from 'zod';
import { type Endpoint, formatEndpoint, type OptionMeta } from './schema.ts';

/** One option of the configuration, as the manual, the error messages and the environment see it. */
export interface OptionNode {
  /** Dotted name. Members of a list's items stand under the list's own name. */
  readonly name: string;
  readonly path: readonly string[];
  /** `POSTERN_` and the path in capitals: `POSTERN_LIMITS_MAX_HEAD_BYTES`. */
  readonly variable: string;
  readonly kind: 'group' | 'text' | 'number' | 'boolean' | 'list';
  readonly schema: z.ZodType;
  readonly meta: OptionMeta;
  readonly required: boolean;
  readonly defaultValue: unknown;
  /** Member of a list's items: not reachable through the environment by itself. */
  readonly inList: boolean;
}

/** All options of a schema, groups before their members, in the order of the schema. */
export function optionTree(schema: z.ZodObject): OptionNode[] {
  return members(schema, [], false);
}

/** The option at a path of keys and list positions, or the nearest above it that is described. */
export function findOption(
  tree: readonly OptionNode[],
  keys: readonly PropertyKey[],
): OptionNode | undefined {
  const names = keys.filter(key => typeof key === 'string');
  for (let length = names.length; length > 0; length--) {
    const node = tree.find(candidate => candidate.name === names.slice(0, length).join('.'));
    if (node) return node;
  }
  return undefined;
}

/** What an option may hold, in words. */
export function allowedValues(node: OptionNode): string {
  if (node.meta.allowed) return node.meta.allowed;
  const schema = unwrap(node.schema);
  if (schema instanceof z.ZodNumber) {
    const unit = node.meta.unit ? ` ${node.meta.unit}` : '';
    return `a whole number from ${grouped(schema.minValue)} to ${grouped(schema.maxValue)}${unit}`;
  }
  if (schema instanceof z.ZodBoolean) return 'true or false';
  if (schema instanceof z.ZodEnum) return `one of ${schema.options.join(', ')}`;
  if (node.kind === 'group') return `a mapping of options`;
  return node.kind === 'list' ? 'a list' : 'a text';
}

/** A default as it would stand in the file. */
export function formatValue(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? '[]' : value.map(formatValue).join(', ');
  if (isEndpoint(value)) return formatEndpoint(value);
  if (typeof value === 'string') return value === '' ? 'empty' : value;
  return typeof value === 'number' ? grouped(value) : String(value);
}

function members(schema: z.ZodObject, parent: readonly string[], inList: boolean): OptionNode[] {
  return Object.entries(schema.shape).flatMap(([key, member]) => {
    const node = describe([...parent, key], member as z.ZodType, inList);
    const inner = unwrap(node.schema);
    if (inner instanceof z.ZodObject) return [node, ...members(inner, node.path, inList)];
    const item = inner instanceof z.ZodArray ? unwrap(inner.element as z.ZodType) : undefined;
    return item instanceof z.ZodObject ? [node, ...members(item, node.path, true)] : [node];
  });
}

function describe(path: readonly string[], schema: z.ZodType, inList: boolean): OptionNode {
  const meta = schema.meta() as unknown as OptionMeta | undefined;
  if (!meta?.description) throw new TypeError(`option ${path.join('.')} has no description`);
  return {
    name: path.join('.'),
    path,
    variable: `POSTERN_${path.map(key => key.replace(/[A-Z]/g, '_$&').toUpperCase()).join('_')}`,
    kind: kindOf(unwrap(schema)),
    schema,
    meta,
    required: !(schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault),
    defaultValue: schema instanceof z.ZodDefault ? schema.def.defaultValue : undefined,
    inList,
  };
}

function kindOf(schema: z.ZodType): OptionNode['kind'] {
  if (schema instanceof z.ZodObject) return 'group';
  if (schema instanceof z.ZodArray) return 'list';
  if (schema instanceof z.ZodNumber) return 'number';
  return schema instanceof z.ZodBoolean ? 'boolean' : 'text';
}

function unwrap(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
    return unwrap(schema.unwrap() as z.ZodType);
  return schema;
}

function isEndpoint(value: unknown): value is Endpoint {
  return typeof value === 'object' && value !== null && 'host' in value && 'port' in value;
}

function grouped(value: number | null | undefined): string {
  return String(value ?? 'any').replace(/\B(?=(\d{3})+$)/g, ' ');
}
