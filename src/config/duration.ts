import { z } from "zod";
import { parseDuration } from "../domain/duration.ts";

const LONGEST_MS = 3_653 * 86_400_000;

/** What is wrong with a duration in the file, or undefined. */
function problemOf(ms: number | undefined): string | undefined {
  if (ms === undefined) return `must be a duration such as "500ms", "30s", "15m", "6h" or "8d"`;
  if (ms < 0) return "a duration cannot be negative";
  return ms > LONGEST_MS ? "a duration cannot be longer than ten years" : undefined;
}

/** A duration in the file, given on in milliseconds. */
export const duration = z.string().transform((text, context) => {
  const ms = parseDuration(text);
  const message = problemOf(ms);
  if (message === undefined && ms !== undefined) return ms;
  context.addIssue({ code: "custom", message: message ?? "", input: text });
  return z.NEVER;
});

/** As `duration`, but not zero. */
export const positiveDuration = duration.refine((ms) => ms > 0, "must be longer than zero");
