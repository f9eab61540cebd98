/** Why Codex was not run: an exit code after sysexits.h, and what helps. Known to the command line by its name. */
export class LaunchError extends Error {
  override readonly name = "LaunchError";
  readonly exit: number;
  /** Empty: nothing is known that helps. */
  readonly help: string;

  constructor(exit: number, message: string, help = "") {
    super(message);
    this.exit = exit;
    this.help = help;
  }
}
