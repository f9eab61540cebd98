import type { Evidence } from "./evidence.ts";
import { generic } from "./generic.ts";
import { asNumber, asObject } from "./loose-json.ts";
import { instantMs } from "./reset-moment.ts";
import { both, type Dialect, either, hasCode, rule, says } from "./rule.ts";
import { waitsLong } from "./throttle.ts";
import { usageWindows, type WindowRead } from "./windows.ts";

const SNAPSHOT = "x-quota-snapshot-";

/** `x-quota-snapshot-chat: ent=300&rem=41.7&rst=…`, and the snapshots of `/copilot_internal/user`. */
function snapshots({ headers, root, source }: Evidence): readonly WindowRead[] {
  const fromHeaders = Object.entries(headers)
    .filter(([header]) => header.startsWith(SNAPSHOT))
    .map(([header, value]) => {
      const fields = new URLSearchParams(value);
      return read(header.slice(SNAPSHOT.length), asNumber(fields.get("rem")), fields.get("rst"));
    });
  if (source !== "USAGE_API") return fromHeaders;
  const body = asObject(root);
  const fromBody = Object.entries(asObject(body?.quota_snapshots) ?? {}).map(([name, snapshot]) =>
    read(
      name,
      asNumber(asObject(snapshot)?.percent_remaining),
      body?.quota_reset_date_utc ?? body?.quota_reset_date,
    ),
  );
  return [...fromHeaders, ...fromBody];
}

function read(name: string, left: number | undefined, reset: Parameters<typeof instantMs>[0]): WindowRead {
  const usedPercent = left === undefined ? undefined : 100 - left;
  return { name, usedPercent, windowMinutes: undefined, resetAtMs: instantMs(reset) };
}

/** GitHub Copilot: sentences more than codes, and the same sentence for a short and a long wait. */
export const copilot: Dialect = {
  ...generic,
  name: "copilot",
  rules: [
    rule("not_licensed", says("not licensed to use copilot"), "BILLING", "PROFILE"),
    rule(
      "token_without_permission",
      says("copilot requests permission", "personal access tokens are not supported"),
      "AUTH_PERMANENT",
      "PROFILE",
    ),
    rule("feature_not_allowed", says("not authorized to use this copilot feature"), "FORBIDDEN", "PROFILE"),
    rule(
      "long_rate_limit",
      both(either(says("rate limit", "rate-limited"), hasCode("rate_limited")), waitsLong),
      "USAGE_LIMIT",
      "PROFILE",
    ),
  ],
  throttleScope: () => "PROFILE_MODEL",
  windows: (evidence) => [...generic.windows(evidence), ...usageWindows(snapshots(evidence), evidence)],
};
