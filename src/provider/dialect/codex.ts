import { knownParts } from "../../domain/claimed-account.ts";
import type { UsageFacts, UsageWindow } from "../../domain/outcome.ts";
import type { Evidence } from "./evidence.ts";
import { generic } from "./generic.ts";
import { asList, asNumber, asObject, asText, type Json } from "./loose-json.ts";
import { type HeaderResets, latest } from "./reset-moment.ts";
import { both, type Dialect, either, hasCode, hasStatus, not, rule, says, type Test } from "./rule.ts";
import { readWindowObject, usageWindows, type WindowRead } from "./windows.ts";

const PREFIX = "x-codex-";
/** More than anybody is given. */
const MOST_RESETS = 1_000;
/** Header endings, and the field names under which `readWindowObject` knows them. */
const PARTS: readonly (readonly [string, string])[] = [
  ["-used-percent", "used_percent"],
  ["-window-minutes", "window_minutes"],
  ["-reset-at", "reset_at"],
  ["-reset-after-seconds", "reset_after_seconds"],
];

/** Windows by pattern: `primary`, `secondary`, and those of other limits such as `bengalfox-primary`. */
function headerWindows({ headers, receivedAtMs }: Evidence): readonly WindowRead[] {
  const found = new Map<string, Record<string, Json>>();
  for (const [header, value] of Object.entries(headers)) {
    const part = header.startsWith(PREFIX) ? PARTS.find(([ending]) => header.endsWith(ending)) : undefined;
    if (part === undefined) continue;
    const name = header.slice(PREFIX.length, -part[0].length);
    found.set(name, { ...found.get(name), [part[1]]: value });
  }
  return [...found].flatMap(([name, window]) => readWindowObject(name, window, receivedAtMs) ?? []);
}

/** `GET /wham/usage`, the event `codex.rate_limits` and the app-server's `account/rateLimits`. */
function bodyWindows({ root, source, receivedAtMs }: Evidence): readonly WindowRead[] {
  const body = asObject(root);
  if (body === undefined || source === "MODEL_API") return [];
  const result = asObject(body.result) ?? asObject(body.params) ?? body;
  const limits: (readonly [string, Json | undefined])[] = [
    ["", body.rate_limit ?? body.rate_limits ?? result.rateLimits],
    ["code_review-", body.code_review_rate_limit ?? body.code_review_rate_limits],
  ];
  for (const item of asList(body.additional_rate_limits)) {
    const more = asObject(item);
    const name = asText(more?.metered_feature) ?? asText(more?.limit_name);
    if (name !== undefined) limits.push([`${name}-`, more?.rate_limit]);
  }
  for (const [name, limit] of Object.entries(asObject(result.rateLimitsByLimitId) ?? {})) {
    if (name !== "codex") limits.push([`${name}-`, limit]);
  }
  return limits.flatMap(([prefix, value]) => {
    const limit = asObject(value);
    const windows = ["primary", "secondary"].flatMap((name) => {
      const window = limit?.[name] ?? limit?.[`${name}_window`];
      return readWindowObject(`${prefix.replaceAll(" ", "_")}${name}`, window, receivedAtMs) ?? [];
    });
    const isReached = limit?.limit_reached === true || limit?.allowed === false;
    return isReached ? withOneSpent(windows) : windows;
  });
}

/** The plan, and the resets that the account's owner holds, of `GET /wham/usage`. */
function facts({ root }: Evidence): UsageFacts {
  const body = asObject(root);
  const { planType } = knownParts({ planType: asText(body?.plan_type) });
  const held = asNumber(asObject(body?.rate_limit_reset_credits)?.available_count);
  return {
    ...(planType === undefined ? {} : { planType }),
    ...(held !== undefined && held > 0 && held <= MOST_RESETS ? { storedResets: Math.floor(held) } : {}),
  };
}

/** A limit that is reached although every window is shown below 100 %: the fullest one was rounded down. */
function withOneSpent(windows: readonly WindowRead[]): readonly WindowRead[] {
  const fullest = Math.max(...windows.map(({ usedPercent = 0 }) => usedPercent));
  if (fullest >= 100) return windows;
  const spent = windows.find(({ usedPercent = 0 }) => usedPercent === fullest);
  return windows.map((window) => (window === spent ? { ...window, usedPercent: 100 } : window));
}

/** Windows of other limits, such as `bengalfox-primary`, do not stop the account. */
function isPartial({ name }: WindowRead): boolean {
  return name.includes("-");
}

/** Used-up windows of the account itself. */
function spentWindows(evidence: Evidence): readonly WindowRead[] {
  return headerWindows(evidence).filter(
    (window) => !isPartial(window) && window.usedPercent !== undefined && window.usedPercent >= 100,
  );
}

const isWindowSpent: Test = (evidence) => spentWindows(evidence).length > 0;

/** All used-up windows must end before the account can be used again. */
function headerResets(evidence: Evidence): HeaderResets {
  const allAtMs = spentWindows(evidence).flatMap(({ resetAtMs }) => resetAtMs ?? []);
  const atMs = latest(...allAtMs);
  return atMs === undefined ? {} : { atMs, allAtMs };
}

const isUsageLimit = either(
  hasCode("usage_limit_reached", "usage_limit_exceeded", "usagelimitexceeded"),
  both(hasStatus(429), isWindowSpent),
);

/** The limit that refused is one model family's own. */
const isOtherLimit: Test = ({ headers }) => headers["x-codex-active-limit"]?.startsWith("codex_") === true;

/** The short limits per minute, as the API has them. */
const namesLimit = either(
  hasCode("rate_limit_exceeded"),
  says("per min", "rate limit reached for", "rate limit is exceeded"),
);

const windows = (evidence: Evidence): readonly UsageWindow[] =>
  usageWindows(
    [...headerWindows(evidence), ...bodyWindows(evidence)].map((read) => ({
      ...read,
      isPartial: isPartial(read),
    })),
    evidence,
  );

/** ChatGPT's Codex backend: plan windows, workspaces, credits. */
export const codex: Dialect = {
  ...generic,
  name: "codex",
  rules: [
    rule(
      "workspace_out_of_credits",
      both(
        not(isWindowSpent),
        hasCode(
          "workspace_owner_credits_depleted",
          "workspace_member_credits_depleted",
          "workspace_owner_usage_limit_reached",
          "workspace_member_usage_limit_reached",
        ),
      ),
      "BILLING",
      "PROFILE",
    ),
    rule("usage_limit_of_model", both(isUsageLimit, isOtherLimit), "USAGE_LIMIT", "PROFILE_MODEL"),
    rule("usage_limit_reached", isUsageLimit, "USAGE_LIMIT", "PROFILE"),
    rule("plan_without_codex", says("to use codex with your chatgpt plan"), "BILLING", "PROFILE"),
    rule("model_unnamed", says("the '' model is not supported"), "BAD_REQUEST", "NONE"),
  ],
  throttleScope: (evidence) => (namesLimit(evidence) ? "PROFILE_MODEL" : "PROFILE"),
  windows,
  facts,
  headerResets,
};
