/** Markup that is known to be safe: made by {@link html} only, so that text can never pass for it. */
export class Html {
  readonly markup: string;

  constructor(markup: string) {
    this.markup = markup;
  }

  toString(): string {
    return this.markup;
  }
}

export type HtmlValue = Html | string | number | false | null | undefined | readonly HtmlValue[];

/**
 * Writes HTML with every value escaped, for text and for quoted attribute values. Lists are written one after the
 * other; false, null and undefined write nothing. It knows nothing of scripts, styles and URLs: a value must stand in
 * text or in a quoted attribute, and an address that came from outside must be checked before it becomes an `href`.
 */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  let markup = strings[0];
  for (let index = 0; index < values.length; index++) {
    markup += toMarkup(values[index]) + strings[index + 1];
  }
  return new Html(markup);
}

/** Markup from our own constants, such as the mark; never from anything that a person or a program sent. */
export function trustedMarkup(markup: string): Html {
  return new Html(markup);
}

function toMarkup(value: HtmlValue): string {
  if (value === false || value === null || value === undefined) return '';
  if (value instanceof Html) return value.markup;
  if (typeof value === 'string') return escapeHtml(value);
  if (typeof value === 'number') return String(value);
  return value.map(toMarkup).join('');
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, character => entities[character]);
}
