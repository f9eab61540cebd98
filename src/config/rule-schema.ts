import { z } from "zod";
import { OUTCOMES, SCOPES } from "../domain/outcome.ts";
import { RESPONSE_SOURCES } from "../provider/provider.ts";
import { duration } from "./duration.ts";
import { providerId } from "./provider-schema.ts";

const match = z
  .strictObject({
    provider: providerId.exactOptional().describe("Default: every provider"),
    source: z.enum(RESPONSE_SOURCES).exactOptional().describe("Default: MODEL_API and STREAM_EVENT"),
    status: z.int().min(100).max(599).exactOptional(),
    code: z.string().min(1).max(80).exactOptional().describe("An error code or type, in any case"),
    text: z
      .string()
      .min(3)
      .max(200)
      .exactOptional()
      .describe("Stands somewhere in the first 4 KiB of the body, in any case; no pattern"),
  })
  .refine(
    ({ status, code, text }) => status !== undefined || code !== undefined || text !== undefined,
    "needs at least one of status, code and text",
  )
  .describe("What an answer must look like; all that is given must fit");

const reset = z.union([z.enum(["stated", "none"]), duration], {
  error: 'must be "stated", "none" or a duration such as "6h"',
});

/** One rule of an operator: what an answer looks like, and what it then means. */
export const ruleSchema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9_-]{0,39}$/, "has small letters, digits, '-' and '_' only")
      .describe("Shown by explain-response"),
    match,
    outcome: z.enum(OUTCOMES),
    scope: z.enum(SCOPES).exactOptional().describe("Default: the scope that the outcome has by itself"),
    reset: reset
      .exactOptional()
      .describe(
        "The moment in the answer, no moment, or this long after the answer. Default: stated for limits and server trouble, else none",
      ),
  })
  .refine(
    ({ outcome, scope }) => !outcome.startsWith("AUTH_") || scope === undefined || scope === "PROFILE",
    {
      path: ["scope"],
      error: "an AUTH_ outcome is always about the profile",
    },
  );
export type OperatorRule = z.output<typeof ruleSchema>;
