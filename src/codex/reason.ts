interface Failure {
  readonly reason: string;
  readonly retryTime: Date;
  readonly help: string;
  readonly profiles: unknown;
}

/** A failure as JSON-RPC tells it. Clients read the words, so they say what a provider would say of a limit. */
export function reasonOf(error: unknown): [message: string, data: object] {
  const { message, reason = "", retryTime, help, profiles } = error as Partial<Failure> & Error;
  const seconds = retryTime === undefined ? 0 : Math.ceil((retryTime.getTime() - Date.now()) / 1_000);
  const isLimit = reason === "ALL_COOLING_DOWN";
  const text = isLimit
    ? `429 usage limit: ${message}; Retry-After: ${Math.max(seconds, 1)} seconds`
    : message;
  return [text, { reason, retryTime, help, profiles }];
}
