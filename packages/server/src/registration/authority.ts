/** The signed-in administrator behind a request, as the access token says and the directory confirms. */
export interface Administrator {
  readonly userId: string;
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
}

export type RegistrationDecision =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly reason: 'missing_scope' | 'missing_role' };

/** Either of them is enough. */
export const rolesThatRegister: readonly string[] = ['Application Administrator', 'Global Administrator'];
const scopesThatRegister = ['api', 'register'];

/** Decides whether this person may register a connector with this token. */
export function mayRegister(administrator: Administrator): RegistrationDecision {
  if (!administrator.scopes.some(scope => scopesThatRegister.includes(scope))) {
    return { allowed: false, reason: 'missing_scope' };
  }
  if (!administrator.roles.some(role => rolesThatRegister.includes(role))) {
    return { allowed: false, reason: 'missing_role' };
  }
  return { allowed: true };
}
