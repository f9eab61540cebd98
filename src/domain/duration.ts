const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Milliseconds of `500ms`, `30s`, `15m`, `6h` or `8d`; below zero with a minus. Undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const [, amount = "", unit = ""] = /^(-?\d{1,12}(?:\.\d{1,6})?)([a-z]+)$/.exec(text.trim()) ?? [];
  const factor = Object.hasOwn(UNITS, unit) ? UNITS[unit] : undefined;
  return factor === undefined ? undefined : Math.round(Number(amount) * factor);
}
