/** OpenClaw could not be set up or served. `exit` is the command's exit code, `help` what to do next. */
export class OpenclawError extends Error {
  override readonly name = "OpenclawError";
  readonly exit: number;
  readonly help: string;

  constructor(exit: number, message: string, help = "") {
    super(message);
    this.exit = exit;
    this.help = help;
  }
}
