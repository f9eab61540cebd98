import type { Evidence } from "./evidence.ts";
import { asList, asObject, asText } from "./loose-json.ts";
import type { Dialect } from "./rule.ts";
import {
  bucketReads,
  bucketResets,
  readBuckets,
  readWindowObject,
  usageWindows,
  type WindowRead,
} from "./windows.ts";

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

/** A usage read-out of whatever make: windows by name, or in a list under `windows`, `limits` or `rate_limits`. */
function bodyWindows({ source, root, receivedAtMs }: Evidence): readonly WindowRead[] {
  const body = asObject(root);
  if (source !== "USAGE_API" || body === undefined) return [];
  const { windows = body.limits ?? body.rate_limits ?? body } = body;
  const named = asList(windows).map((item) => [asText(asObject(item)?.name) ?? "", item] as const);
  const entries = named.length > 0 ? named : Object.entries(asObject(windows) ?? {});
  return entries.flatMap(([name, value]) => readWindowObject(name, value, receivedAtMs) ?? []);
}

/** Any other provider: what OpenAI-compatible servers, gateways and aggregators have in common. */
export const generic: Dialect = {
  name: "generic",
  rules: [],
  // A throttle without a word may be anybody's; one with words is that of the model asked.
  throttleScope: ({ form }) => (form === "empty" ? "PROFILE" : "PROFILE_MODEL"),
  windows: (evidence) =>
    usageWindows([...bucketReads(buckets(evidence)), ...bodyWindows(evidence)], evidence),
  headerResets: (evidence) => bucketResets(buckets(evidence), evidence.receivedAtMs),
};
