/** What the broker writes down; pino fits it. Fields never hold a token or a provider's text. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
