import { nextMidnight } from "./civil-time.ts";
import type { Evidence } from "./evidence.ts";
import { generic } from "./generic.ts";
import { asList, asNumber, asObject, asText, type JsonObject } from "./loose-json.ts";
import { instantMs } from "./reset-moment.ts";
import { both, type Dialect, either, hasCode, not, rule, says, type Test } from "./rule.ts";
import { usageWindows, type WindowRead } from "./windows.ts";

/** Names of the quotas that the answer blames. */
function quotaNames({ chain }: Evidence): string {
  const details = asList(chain.at(-1)?.details).slice(0, 16).map(asObject);
  const names = details.flatMap((detail) => [
    asObject(detail?.metadata)?.quota_limit,
    ...asList(detail?.violations)
      .slice(0, 16)
      .map((violation) => asObject(violation)?.quotaId),
  ]);
  return names
    .map((name) => asText(name) ?? "")
    .join(" ")
    .toLowerCase();
}

const isPerDay: Test = (evidence) =>
  quotaNames(evidence).includes("perday") || evidence.text.includes("per day");
const isPerMinute: Test = (evidence) =>
  quotaNames(evidence).includes("perminute") || evidence.text.includes("per minute");

/** The server itself says when: a name of a quota does not outweigh that. */
const hasRetryInfo: Test = ({ chain, text }) =>
  asList(chain.at(-1)?.details).some((detail) => asText(asObject(detail)?.retryDelay) !== undefined) ||
  text.includes("please retry in ");

/** "limit: 0": the model is not part of this plan, waiting never helps. */
const isLimitZero: Test = ({ text }) => {
  const at = text.indexOf("limit: 0");
  return at >= 0 && !"0123456789.".includes(text[at + 8] ?? " ");
};

/** The account as a whole must be verified, not one model of it. */
const isAccountChecked: Test = ({ chain, text }) =>
  text.includes("your account") ||
  asList(chain.at(-1)?.details).some(
    (detail) => asText(asObject(asObject(detail)?.metadata)?.validation_url) !== undefined,
  );

const pacificMidnight = ({ receivedAtMs }: Evidence) =>
  nextMidnight(receivedAtMs, { kind: "named", name: "America/Los_Angeles" });

/** `retrieveUserQuota` and `fetchAvailableModels`: one window a model. */
function bodyWindows({ root, source }: Evidence): readonly WindowRead[] {
  if (source !== "USAGE_API") return [];
  const body = asObject(root);
  const models = Object.entries(asObject(body?.models) ?? {});
  return [
    ...asList(body?.buckets).flatMap((bucket) =>
      readQuota(asText(asObject(bucket)?.modelId), asObject(bucket)),
    ),
    ...models.flatMap(([id, model]) => readQuota(id, asObject(asObject(model)?.quotaInfo))),
  ];
}

function readQuota(name: string | undefined, quota: JsonObject | undefined): readonly WindowRead[] {
  const left = asNumber(quota?.remainingFraction);
  if (name === undefined || quota === undefined) return [];
  const usedPercent = left === undefined ? undefined : 100 - 100 * left;
  return [{ name, usedPercent, windowMinutes: undefined, resetAtMs: instantMs(quota.resetTime) }];
}

const isQuota = either(
  hasCode("resource_exhausted", "rate_limit_exceeded"),
  says("exceeded your current quota"),
);

/** Gemini CLI and Antigravity: `google.rpc.Status` with details. Quotas are per model. */
export const google: Dialect = {
  ...generic,
  name: "google",
  rules: [
    rule(
      "validation_required",
      both(hasCode("validation_required"), isAccountChecked),
      "FORBIDDEN",
      "PROFILE",
    ),
    rule("validation_of_model", hasCode("validation_required"), "FORBIDDEN", "PROFILE_MODEL"),
    rule("limit_zero", both(isQuota, isLimitZero), "BILLING", "PROFILE_MODEL", { isTimeless: true }),
    rule("capacity", says("no capacity available"), "OVERLOADED", "PROVIDER"),
    rule(
      "quota_exhausted",
      either(hasCode("quota_exhausted"), says("individual quota reached")),
      "USAGE_LIMIT",
      "PROFILE_MODEL",
    ),
    rule("quota_per_day", both(isQuota, isPerDay, not(hasRetryInfo)), "USAGE_LIMIT", "PROFILE_MODEL", {
      documentedReset: pacificMidnight,
    }),
    rule("quota_named", both(isQuota, either(hasRetryInfo, isPerMinute)), "RATE_LIMIT", "PROFILE_MODEL"),
    rule("quota_unnamed", both(isQuota, says("exceeded your current quota")), "USAGE_LIMIT", "PROFILE"),
    rule("not_found", hasCode("not_found"), "MODEL_NOT_FOUND", "PROFILE_MODEL"),
    rule("internal", hasCode("internal"), "SERVER_ERROR", "NONE"),
    rule("service_not_enabled", says("has not been used in project"), "FORBIDDEN", "PROFILE"),
  ],
  throttleScope: () => "PROFILE_MODEL",
  windows: (evidence) => usageWindows(bodyWindows(evidence), evidence),
};
