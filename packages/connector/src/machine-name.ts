/** Makes a name that the service accepts of whatever the machine is called. */
export function machineNameOf(name: string): string {
  const cleaned = name.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '');
  return cleaned.slice(0, 253) || 'connector';
}
