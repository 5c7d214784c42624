/**
 * A setting of an application as its page shows it. A new one is one entry in a list of these; what draws, reads and saves
 * it is the same for all.
 */
export interface Setting {
  /** Its name in the admin API; with dots where it is a value within another one. */
  readonly property: string;
  readonly label: string;
  /** What it does, and when one wants it; stands below the field. */
  readonly help: string;
  readonly control: Control;
}

/** Settings that are shown, and saved, together. */
export interface SettingGroup {
  readonly title: string;
  /** What they have in common, where the title does not say it. */
  readonly lead?: string;
  readonly settings: readonly Setting[];
}

/** The value of a property; undefined where there is none. */
export function valueAt(values: object, property: string): unknown {
  return property
    .split('.')
    .reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], values);
}

/** An object that has these values, and nothing else. */
export function nested(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const whole: Record<string, unknown> = {};
  for (const [property, value] of Object.entries(values)) {
    const dot = property.indexOf('.');
    if (dot < 0) {
      whole[property] = value;
      continue;
    }
    const outer = property.slice(0, dot);
    whole[outer] = {
      ...(whole[outer] as object | undefined),
      ...nested({ [property.slice(dot + 1)]: value }),
    };
  }
  return whole;
}

/** How a value is entered. */
type Control =
  | { readonly kind: 'switch' }
  /** One line; an empty one is null where that is allowed. */
  | { readonly kind: 'text'; readonly placeholder?: string; readonly isNullable?: boolean }
  /** A text of several lines, typed or taken from files; an empty one is null. */
  | { readonly kind: 'block'; readonly placeholder?: string; readonly accept: string }
  | { readonly kind: 'choice'; readonly options: readonly (readonly [value: string, label: string])[] }
  /** On, off, or null, which leaves it to something else. */
  | {
      readonly kind: 'optional-switch';
      readonly whenNull: string;
      readonly whenOn: string;
      readonly whenOff: string;
    }
  /** A whole number; an empty field is null where that is allowed, and says what that means. */
  | { readonly kind: 'number'; readonly unit: string; readonly whenEmpty?: string }
  /** One of some names or a number of seconds. */
  | { readonly kind: 'timeout'; readonly names: readonly (readonly [value: string, label: string])[] }
  /** A list of texts, one a line. */
  | { readonly kind: 'lines'; readonly placeholder?: string }
  /** A list of names with values, `Name: value` on each line. */
  | { readonly kind: 'fields'; readonly placeholder?: string }
  /** Anything that has a shape of its own, as the admin API writes it; an empty field is an empty list, or else null. */
  | { readonly kind: 'json'; readonly isList?: boolean; readonly example?: unknown };

/** What a control holds while it is edited: whether a switch is on, and for all others text. */
export type Input = string | boolean;

/** A value as its control holds it. */
export function inputOf({ control }: Setting, value: unknown): Input {
  switch (control.kind) {
    case 'switch':
      return value === true;
    case 'lines':
      return Array.isArray(value) ? value.join('\n') : '';
    case 'fields':
      return Array.isArray(value) ? value.map(({ name, value }) => `${name}: ${value}`).join('\n') : '';
    case 'json':
      if (value === undefined || value === null) return '';
      return control.isList && (value as unknown[]).length === 0 ? '' : JSON.stringify(value, null, 2);
    default:
      return value === undefined || value === null ? '' : String(value);
  }
}

/** The value that a control holds, or why it is none; what the service alone can tell is left to it. */
export function readInput({ control }: Setting, input: Input): { value: unknown } | { error: string } {
  if (typeof input === 'boolean') return { value: input };
  const text = input.trim();
  switch (control.kind) {
    case 'text':
      return { value: text === '' && control.isNullable ? null : text };
    case 'block':
      return { value: text === '' ? null : text };
    case 'optional-switch':
      return { value: text === '' ? null : text === 'true' };
    case 'number':
      if (text === '') {
        return control.whenEmpty === undefined ? { error: 'A number is needed.' } : { value: null };
      }
      return wholeNumber(text);
    case 'timeout':
      return control.names.some(([name]) => name === text) ? { value: text } : wholeNumber(text);
    case 'lines':
      return { value: linesOf(text) };
    case 'fields':
      return fields(linesOf(text));
    case 'json':
      return text === '' ? { value: control.isList ? [] : null } : json(text);
    default:
      return { value: text };
  }
}

function wholeNumber(text: string): { value: number } | { error: string } {
  return /^\d{1,15}$/.test(text) ? { value: Number(text) } : { error: 'A whole number, such as 300.' };
}

function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '');
}

function fields(lines: readonly string[]): { value: unknown } | { error: string } {
  const found = lines.map(line => /^([^:]+):(.*)$/.exec(line));
  const unread = found.indexOf(null);
  if (unread >= 0) return { error: `Not “Name: value”: ${lines[unread]}` };
  return { value: found.map(parts => ({ name: parts?.[1]?.trim(), value: parts?.[2]?.trim() })) };
}

function json(text: string): { value: unknown } | { error: string } {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { error: `It is no JSON: ${error instanceof Error ? error.message : error}` };
  }
}
