/**
 * The address that a request came from: the first entry of X-Forwarded-For. Only the relay can reach the control
 * process, and it writes that field anew from what it saw itself or what a trusted proxy told it.
 */
export function clientAddress(forwardedFor: string | string[] | undefined): string {
  const value = Array.isArray(forwardedFor) ? forwardedFor[0] : forwardedFor;
  return value?.split(',')[0].trim() ?? '';
}
