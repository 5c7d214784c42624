/**
 * A field value of printable ASCII. Text that has anything else, or a percent sign, is percent-encoded as UTF-8, but for
 * spaces and `@`: so no claim can end its line, whatever it holds, and whoever decodes it gets the text back.
 */
export function fieldText(value: string): string {
  if (/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(value) && !value.includes('%')) return value;
  return encodeURIComponent(value.toWellFormed()).replaceAll('%20', ' ').replaceAll('%40', '@').trim();
}
