import type { Evidence } from "./evidence.ts";
import type { Dialect } from "./rule.ts";
import { bucketReads, bucketResets, readBuckets, usageWindows } from "./windows.ts";

const PREFIX = "x-ratelimit-";
const PARTS = ["limit", "remaining", "reset"];

/** `x-ratelimit-remaining-tokens`, and without a bucket `x-ratelimit-reset`. */
function splitRateLimitHeader(
  header: string,
): { readonly bucket: string; readonly part: string } | undefined {
  const name = header.startsWith("x-ratelimit-")
    ? header.slice(PREFIX.length)
    : header.startsWith("ratelimit-")
      ? header.slice(PREFIX.length - 2)
      : undefined;
  const part = PARTS.find((known) => name === known || name?.startsWith(`${known}-`));
  if (name === undefined || part === undefined) return undefined;
  return { bucket: name.slice(part.length + 1) || "requests", part };
}

const buckets = (evidence: Evidence) => readBuckets(evidence, splitRateLimitHeader);

/** Any other provider: what OpenAI-compatible servers, gateways and aggregators have in common. */
export const generic: Dialect = {
  name: "generic",
  rules: [],
  // A throttle without a word may be anybody's; one with words is that of the model asked.
  throttleScope: ({ form }) => (form === "empty" ? "PROFILE" : "PROFILE_MODEL"),
  windows: (evidence) => usageWindows(bucketReads(buckets(evidence)), evidence),
  headerResets: (evidence) => bucketResets(buckets(evidence), evidence.receivedAtMs),
};
