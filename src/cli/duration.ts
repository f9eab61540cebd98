const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const LONGEST_MS = 366 * 86_400_000;

/**
 * Milliseconds of `500ms`, `30s`, `15m`, `6h` or `8d`; otherwise what is wrong with the text. As
 * long as a broker takes: 366 days. Apart from config's reading, which would load zod.
 */
export function readDuration(text: string): number | { readonly problem: string } {
  const [, amount = "", unit = ""] = /^(\d{1,12}(?:\.\d{1,6})?)([a-z]+)$/.exec(text.trim()) ?? [];
  const factor = Object.hasOwn(UNITS, unit) ? UNITS[unit] : undefined;
  if (factor === undefined) return { problem: "It must be a duration such as 500ms, 30s, 15m, 6h or 8d." };
  const ms = Math.round(Number(amount) * factor);
  return ms > LONGEST_MS ? { problem: "It must not be longer than 366 days." } : ms;
}
