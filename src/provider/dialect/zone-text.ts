import type { Zone } from "./civil-time.ts";
import type { Token } from "./tokens.ts";

/** Hours from UTC, or the tz name where summer time decides. */
const ABBREVIATIONS: Readonly<Record<string, number | string>> = {
  z: 0,
  utc: 0,
  gmt: 0,
  pst: -8,
  pdt: -7,
  mst: -7,
  mdt: -6,
  cst: -6,
  cdt: -5,
  est: -5,
  edt: -4,
  pt: "America/Los_Angeles",
  et: "America/New_York",
  bst: 1,
  cet: 1,
  cest: 2,
  jst: 9,
};

/** The zone at `tokens[at]`: `utc`, `gmt+1`, `+05:30`, `(europe/rome)`. Undefined if none stands there. */
export function readZone(tokens: readonly Token[], at: number): Zone | undefined {
  const start = tokens[at]?.text === "(" ? at + 1 : at;
  const word = tokens[start];
  if (word?.kind === "sign") return readOffset(tokens, start, 0);
  if (word?.kind !== "word") return undefined;
  if (word.text.includes("/")) return { kind: "named", name: word.text };
  const known = ABBREVIATIONS[word.text];
  if (known === undefined) return undefined;
  if (typeof known === "string") return { kind: "named", name: known };
  return readOffset(tokens, start + 1, known * 60) ?? { kind: "offset", minutes: known * 60 };
}

function readOffset(tokens: readonly Token[], at: number, fromMinutes: number): Zone | undefined {
  const sign = tokens[at];
  const hours = tokens[at + 1];
  if ((sign?.text !== "+" && sign?.text !== "-") || !sign.glued || hours?.kind !== "number") return undefined;
  const isJoined = hours.text.length === 4;
  const minutes = tokens[at + 2]?.text === ":" ? (tokens[at + 3]?.value ?? 0) : 0;
  const size = isJoined
    ? Math.floor(hours.value / 100) * 60 + (hours.value % 100)
    : hours.value * 60 + minutes;
  if (!(size <= 14 * 60)) return undefined;
  return { kind: "offset", minutes: fromMinutes + (sign.text === "+" ? size : -size) };
}
