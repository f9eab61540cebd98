import { parseDuration } from "../domain/duration.ts";

const LONGEST_MS = 366 * 86_400_000;

/** Milliseconds of a duration, or what is wrong with the text. As long as a broker takes: 366 days. */
export function readDuration(text: string): number | { readonly problem: string } {
  const ms = parseDuration(text);
  if (ms === undefined || ms < 0) {
    return { problem: "It must be a duration such as 500ms, 30s, 15m, 6h or 8d." };
  }
  return ms > LONGEST_MS ? { problem: "It must not be longer than 366 days." } : ms;
}
