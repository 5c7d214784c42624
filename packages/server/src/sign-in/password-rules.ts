import { normalizeSignInName } from './sign-in-name.ts';

/** Longest password in UTF-16 code units; longer ones would only be work. */
export const maxPasswordLength = 1_024;

/**
 * Says in a sentence why a password cannot be chosen, or null where it can.
 *
 * @param signInNames The names of the account, none of which may be its password.
 */
export function passwordObjection(
  password: string,
  minLength: number,
  signInNames: readonly string[],
): string | null {
  const length = [...password.normalize('NFC')].length;
  if (length < minLength) {
    return `This has ${length} characters. A password needs at least ${minLength}; four or five words do well.`;
  }
  if (password.length > maxPasswordLength) {
    return `A password may have at most ${maxPasswordLength} characters.`;
  }
  if (new Set(password.toLowerCase()).size < 5) {
    return 'This repeats so few characters that it is easily guessed. Use at least five different ones.';
  }
  const normalized = normalizeSignInName(password);
  if (signInNames.some(name => isNameItself(normalized, name))) {
    return 'This is the name you sign in with. Choose something that is not known to others.';
  }
  return null;
}

function isNameItself(password: string, signInName: string): boolean {
  const name = normalizeSignInName(signInName);
  return name !== '' && (password === name || password === name.split('@')[0]);
}
