import { both, either, isVouched, not, type Rule, rule, says, type Test } from "./rule.ts";
import { waitsShort } from "./throttle.ts";

const LIMITS = ["limit", "quota", "allowance", "capacity"];
const ENDS = ["reached", "exceeded", "exhausted"];

/**
 * "You've hit your … limit" and its like, with up to 40 characters between. A rate limit is none. In mere prose it has to be said to the reader: "if you hit your limit" is advice.
 */
const reachedOwnLimit: Test = ({ text, plain }) => {
  for (const verb of ["hit your ", "reached your ", "exceeded your ", "exhausted your "]) {
    const at = text.indexOf(verb);
    if (at < 0) continue;
    const before = text.slice(Math.max(0, at - 9), at);
    if (plain && !before.endsWith("you've ") && !before.endsWith("you have ")) continue;
    const rest = text.slice(at + verb.length, at + verb.length + 40);
    if (rest.startsWith("current quota") || rest.includes("rate limit") || rest.includes("minute")) continue;
    if (LIMITS.some((word) => rest.includes(word))) return true;
  }
  return false;
};

/** "weekly limit", "usage limit", "5-hour limit"; in mere prose only with "reached" or the like after it. */
const isPlanLimit: Test = ({ text, plain }) => {
  for (const kind of ["usage", "weekly", "monthly", "daily", "session", "5-hour", "weekly rate"]) {
    const at = text.indexOf(`${kind} limit`);
    if (at < 0) continue;
    const rest = text.slice(at, at + 48);
    if (!plain || ENDS.some((word) => rest.includes(word))) return true;
  }
  return false;
};

/** "insufficient … balance", "insufficient credits": what is short stands close by. */
const isShortOfMoney: Test = ({ text }) => {
  const at = text.indexOf("insufficient ");
  const rest = at < 0 ? "to " : text.slice(at + 13, at + 45);
  return (
    !rest.startsWith("to ") && ["balance", "credit", "fund", "quota"].some((word) => rest.includes(word))
  );
};

const BILLING: Rule = rule(
  "text.billing",
  either(
    says(
      "credit balance is too low",
      "credit balance too low",
      "is out of credits",
      "have run out of credits",
      "hit your spend cap",
      "used up your points",
      "payment required: insufficient",
    ),
    both(
      isVouched,
      either(
        isShortOfMoney,
        both(says("maximum allowed"), says("spending limit")),
        says(
          "add more credits",
          "out of credits",
          "require more credits",
          "requires more credits",
          "more credits are required",
          "not enough credits",
          "used all available credits",
          "can only afford",
          "spend cap",
          "billing hard limit",
          "check your billing",
          "account is not active",
          "subscription has expired",
          "no active subscription",
        ),
      ),
    ),
  ),
  "BILLING",
  "PROFILE",
);

const USAGE_OF_MODEL: Rule = {
  name: "text.usage_limit_of_model",
  when: either(
    says("exhausted your capacity on this model"),
    both(isVouched, says("tokens per day", "requests per day")),
  ),
  // A daily limit that slides is over in minutes; the server's own word counts.
  verdict: (evidence) => ({
    outcome: waitsShort(evidence) ? "RATE_LIMIT" : "USAGE_LIMIT",
    scope: "PROFILE_MODEL",
  }),
};

const USAGE: Rule = rule(
  "text.usage_limit",
  either(
    reachedOwnLimit,
    isPlanLimit,
    says(
      "limit exhausted",
      "out of extra usage",
      "out of premium requests",
      "quota will reset",
      "individual quota reached",
      "you have no quota",
      "used all the included free usage",
    ),
    both(
      isVouched,
      says(
        "usage limits",
        "per day",
        "per-day",
        "per week",
        "per month",
        "quota exceeded",
        "quota limit",
        "spend limit",
        "spending limit",
        "rolling time window",
        "try again tomorrow",
        "premium request",
      ),
      // A metric of a per-minute quota is named in the same words.
      not(says("quota exceeded for")),
    ),
  ),
  "USAGE_LIMIT",
  "PROFILE",
);

const QUOTA_SPENT: Rule = rule(
  "text.quota_spent",
  both(isVouched, says("exceeded your current quota")),
  "BILLING",
  "PROFILE",
);

const THROTTLE: Rule = rule(
  "text.rate_limit",
  either(
    says(
      "rate limit is exceeded",
      "rate limit exceeded",
      "rate limit reached",
      "request was rate-limited",
      "· rate limited",
      "too many requests",
    ),
    both(
      isVouched,
      says(
        "rate limit",
        "rate-limit",
        "throttl",
        "resource exhausted",
        "resource has been exhausted",
        "too many concurrent",
      ),
    ),
  ),
  "RATE_LIMIT",
  "PROFILE_MODEL",
);

/** Money before plans before throttles: the narrower word counts. */
export const LIMIT_PHRASES: readonly Rule[] = [BILLING, USAGE_OF_MODEL, USAGE, QUOTA_SPENT];
export const THROTTLE_PHRASES: readonly Rule[] = [THROTTLE];
