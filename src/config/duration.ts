import { z } from "zod";

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const PATTERN = /^([+-]?\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)$/;
const LONGEST_MS = 3_653 * 86_400_000;

/** Milliseconds of `"500ms"`, `"30s"`, `"15m"`, `"6h"` or `"8d"`; otherwise what is wrong with the text. */
function readDuration(text: string): number | { readonly problem: string } {
  const [, amount = "", unit = ""] = PATTERN.exec(text.trim()) ?? [];
  const factor = UNITS[unit];
  if (factor === undefined) {
    return { problem: `must be a duration such as "500ms", "30s", "15m", "6h" or "8d"` };
  }
  const ms = Math.round(Number(amount) * factor);
  if (ms < 0) return { problem: "a duration cannot be negative" };
  if (ms > LONGEST_MS) return { problem: "a duration cannot be longer than ten years" };
  return ms;
}

/** A duration in the file, given on in milliseconds. */
export const duration = z.string().transform((text, context) => {
  const read = readDuration(text);
  if (typeof read === "number") return read;
  context.addIssue({ code: "custom", message: read.problem, input: text });
  return z.NEVER;
});

/** As `duration`, but not zero. */
export const positiveDuration = duration.refine((ms) => ms > 0, "must be longer than zero");
