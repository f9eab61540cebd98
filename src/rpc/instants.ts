/** A `google.protobuf.Timestamp` or `Duration` as messages carry it. */
export interface Seconds {
  readonly seconds: number;
  readonly nanos: number;
}

const TIMESTAMP = /^(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/;
const DURATION = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/;

/** The Timestamp of a wall-clock moment in milliseconds; what is finer is cut off. */
export function timestampOf(atMs: number): Seconds {
  const seconds = Math.floor(atMs / 1000);
  return { seconds, nanos: Math.floor(atMs - seconds * 1000) * 1e6 };
}

/** The wall-clock moment of a Timestamp in milliseconds; what is finer is cut off. */
export function atMsOf(timestamp: Seconds): number {
  return timestamp.seconds * 1000 + Math.floor(timestamp.nanos / 1e6);
}

/** The Duration of so many milliseconds; what is finer is cut off. */
export function durationOf(ms: number): Seconds {
  const seconds = Math.trunc(ms / 1000) + 0;
  return { seconds, nanos: Math.trunc(ms - seconds * 1000) * 1e6 + 0 };
}

/** The length of a Duration in milliseconds, fractions included. */
export function msOf(duration: Seconds): number {
  return duration.seconds * 1000 + duration.nanos / 1e6;
}

/** RFC 3339 in UTC with 0, 3, 6 or 9 digits after the point, as proto3 JSON prints a Timestamp. */
export function formatTimestamp(timestamp: Seconds): string {
  const whole = new Date(timestamp.seconds * 1000).toISOString().slice(0, 19);
  return `${whole}${fraction(timestamp.nanos)}Z`;
}

/** Reads RFC 3339 with any offset; undefined if it is none. */
export function parseTimestamp(text: string): Seconds | undefined {
  const [, whole, digits = "", zone] = TIMESTAMP.exec(text) ?? [];
  const wholeMs = Date.parse(`${whole}${zone}`.toUpperCase());
  if (Number.isNaN(wholeMs)) return undefined;
  return { seconds: wholeMs / 1000, nanos: Number(digits.padEnd(9, "0")) };
}

/** `600s`, `0.500s`, as proto3 JSON prints a Duration. */
export function formatDuration(duration: Seconds): string {
  const sign = duration.seconds < 0 || duration.nanos < 0 ? "-" : "";
  return `${sign}${Math.abs(duration.seconds)}${fraction(Math.abs(duration.nanos))}s`;
}

/** Reads `600s` or `0.5s`; undefined if it is none. */
export function parseDuration(text: string): Seconds | undefined {
  const [match, sign, whole, digits = ""] = DURATION.exec(text) ?? [];
  if (match === undefined) return undefined;
  const factor = sign === "-" ? -1 : 1;
  return { seconds: factor * Number(whole) + 0, nanos: factor * Number(digits.padEnd(9, "0")) + 0 };
}

function fraction(nanos: number): string {
  if (nanos === 0) return "";
  const digits = String(nanos).padStart(9, "0");
  return `.${digits.replace(/(?:000){1,2}$/, "")}`;
}
