/** Restricts a route to one host name, whatever case and port the client wrote it with. */
export function hostConstraint(host: string): { readonly host: RegExp } {
  return { host: new RegExp(`^${host.replaceAll('.', '\\.')}\\.?(:\\d{1,5})?$`, 'i') };
}

/** The host of a Host field: lower case, without port and the dot at the end. */
export function hostOf(hostField: string | undefined): string {
  return (hostField ?? '')
    .toLowerCase()
    .replace(/:\d{1,5}$/, '')
    .replace(/\.$/, '');
}
