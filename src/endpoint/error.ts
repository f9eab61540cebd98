/** Why an endpoint cannot be opened or reached; the message names the path and what to do. */
export class EndpointError extends Error {
  override readonly name = "EndpointError";
  /** Exit code of the program: 75 a broker is there already, 77 no right to the place, 78 an unusable place. */
  readonly exit: 75 | 77 | 78;

  constructor(exit: EndpointError["exit"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.exit = exit;
  }
}

/** The code of a system error such as `ENOENT`; undefined for anything else. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
