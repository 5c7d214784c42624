/** Why installing, starting or removing the connector's service failed; message and remedy are for its administrator. */
export class InstallationError extends Error {
  /**
   * - `not_root`: only root may do this.
   * - `not_packaged`: this program runs from its sources, which cannot be copied as a program.
   * - `not_installed`: the command needs an installed service.
   * - `no_systemd`: systemd does not run this machine.
   * - `not_registered`: there is no identity to start with.
   * - `command_failed`: a program of the system failed.
   */
  readonly code:
    | 'not_root'
    | 'not_packaged'
    | 'not_installed'
    | 'no_systemd'
    | 'not_registered'
    | 'command_failed';
  readonly remedy: string;

  constructor(code: InstallationError['code'], message: string, remedy: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.remedy = remedy;
  }
}
