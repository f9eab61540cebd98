export type JsonObject = Readonly<Record<string, unknown>>;

/** The value as an object; undefined for anything else, arrays included. */
export function objectOf(value: unknown): JsonObject | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : undefined;
}

/** The value as a trimmed text with something in it. */
export function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined;
}

/** The first of these fields with something in it: neither null nor an empty text. */
export function firstOf(object: JsonObject, ...names: readonly string[]): unknown {
  return names
    .map((name) => object[name])
    .find((value) => value !== undefined && value !== null && value !== "");
}

const SECONDS_FROM = 1e9;
const MILLISECONDS_FROM = 1e11;
/** End of the year 9999, the last moment that the wire can carry. */
const MILLISECONDS_TO = 253_402_300_799_000;

/**
 * A moment in milliseconds since the epoch, as careless programs write it: milliseconds, seconds,
 * either of them as text, or an ISO 8601 date. Undefined (unknown) for everything that is none of these.
 */
export function instantMs(value: unknown): number | undefined {
  if (typeof value === "string") return instantOfText(value.trim());
  if (typeof value !== "number" || !(value >= SECONDS_FROM && value <= MILLISECONDS_TO)) return undefined;
  return Math.round(value < MILLISECONDS_FROM ? value * 1_000 : value);
}

function instantOfText(text: string): number | undefined {
  if (/^\d{1,16}$/.test(text)) return instantMs(Number(text));
  if (!/^\d{4}-\d{2}-\d{2}T/.test(text)) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : instantMs(ms);
}
