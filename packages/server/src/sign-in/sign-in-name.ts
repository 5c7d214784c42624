/** Longest name that anybody can sign in with, in UTF-16 code units. */
export const maxSignInNameLength = 256;

/**
 * The one form of a name that accounts are found and failures are counted by: NFC, lower case, without space around
 * it. Every spelling of a name that the page accepts must come to the same account and the same counter.
 */
export function normalizeSignInName(entered: string): string {
  return entered.normalize('NFC').trim().toLowerCase().normalize('NFC');
}
