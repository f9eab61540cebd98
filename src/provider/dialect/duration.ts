const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/**
 * Milliseconds of a compact duration as Go and protobuf write it (`6m0s`, `12ms`, `25h20m26.18s`).
 * Undefined for anything else, a bare number included.
 */
export function durationMs(text: string): number | undefined {
  const short = text.trim().toLowerCase();
  if (short === "" || short.length > 48) return undefined;
  let total = 0;
  let at = 0;
  while (at < short.length) {
    const number = /^\d+(?:\.\d+)?/.exec(short.slice(at))?.[0];
    if (number === undefined) return undefined;
    at += number.length;
    const unit = /^[a-zµ]+/.exec(short.slice(at))?.[0] ?? "";
    const unitMs = UNIT_MS[unit.replace("µ", "u")];
    if (unitMs === undefined) return undefined;
    total += Number(number) * unitMs;
    at += unit.length;
  }
  return total;
}
