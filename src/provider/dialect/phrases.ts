import {
  both,
  either,
  hasCode,
  hasStatus,
  isVouched,
  not,
  type Rule,
  rule,
  says,
  type Test,
} from "./rule.ts";
import { waitsShort } from "./throttle.ts";

/** "hit your … limit" and its like, with up to 40 characters between. A plain rate limit is none. */
const reachedOwnLimit: Test = ({ text }) => {
  for (const lead of ["hit your ", "reached your ", "exceeded your ", "exhausted your ", "out of your "]) {
    const at = text.indexOf(lead);
    if (at < 0) continue;
    const rest = text.slice(at + lead.length, at + lead.length + 40);
    if (rest.startsWith("rate limit") || rest.startsWith("current quota")) continue;
    if (["limit", "quota", "allowance", "capacity"].some((word) => rest.includes(word))) return true;
  }
  return false;
};

/** "insufficient … balance", "insufficient credits": what is short stands close by. */
const isShortOfMoney: Test = ({ text }) => {
  const at = text.indexOf("insufficient ");
  if (at < 0) return false;
  const rest = text.slice(at + 13, at + 45);
  return (
    !rest.startsWith("to ") && ["balance", "credit", "fund", "quota"].some((word) => rest.includes(word))
  );
};

/** About the request, so looked for before any code: throttle codes carry these messages too. */
export const REQUEST_PHRASES: readonly Rule[] = [
  rule(
    "text.request_too_large",
    says(
      "prompt is too long",
      "prompt too large",
      "prompt too long",
      "input is too long",
      "input too long",
      "request too large",
      "request entity too large",
      "request exceeds the maximum size",
      "maximum context length",
      "context length exceeded",
      "exceeds model context window",
      "context window exceeded",
      "exceed context",
      "model token limit",
      "too many tokens per request",
      "extra usage is required for long context",
    ),
    "BAD_REQUEST",
    "NONE",
  ),
  rule(
    "text.throttled_by_server",
    either(says("not your usage limit"), says("server is temporarily limiting requests")),
    "RATE_LIMIT",
    "PROVIDER",
  ),
];

/** What messages say where the code does not tell. The order settles contradictions. */
export const PHRASES: readonly Rule[] = [
  rule(
    "text.login_ended",
    either(
      says("failed to extract accountid from token"),
      both(
        isVouched,
        says(
          "scope requirement",
          "lacks required scope",
          "missing scope",
          "insufficient authentication scopes",
          "insufficient scope",
          "oauth authentication is currently not",
          "account has been deactivated",
          "account is deactivated",
          "invalid api key",
          "incorrect api key",
          "invalid x-api-key",
          "invalid subscription key",
          "api key not valid",
          "api key is invalid",
          "api key revoked",
          "api key expired",
          "api key deactivated",
          "api_key_revoked",
          "api_key_deleted",
          "key has been revoked",
          "key has been disabled",
        ),
      ),
    ),
    "AUTH_PERMANENT",
    "PROFILE",
  ),
  rule(
    "text.billing",
    either(
      says(
        "credit balance is too low",
        "credit balance too low",
        "out of credits",
        "spend cap",
        "used up your points",
        "insufficient credits",
      ),
      both(
        isVouched,
        either(
          isShortOfMoney,
          both(says("maximum allowed"), says("spending limit")),
          says(
            "add more credits",
            "require more credits",
            "requires more credits",
            "more credits are required",
            "not enough credits",
            "used all available credits",
            "can only afford",
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
  ),
  {
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
  },
  rule(
    "text.usage_limit",
    either(
      reachedOwnLimit,
      says(
        "usage limit reached",
        "usage limit has been reached",
        "usage limit exceeded",
        "organization usage limit",
        "specified api usage limits",
        "limit exhausted",
        "weekly limit",
        "monthly limit",
        "daily limit",
        "weekly rate limit",
        "session limit reached",
        "5-hour limit",
        "out of extra usage",
        "out of premium requests",
        "quota will reset",
        "individual quota",
        "you have no quota",
        "quota_exceeded",
      ),
      both(
        isVouched,
        says(
          "usage limit",
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
        not(says("quota exceeded for")),
      ),
    ),
    "USAGE_LIMIT",
    "PROFILE",
  ),
  rule(
    "text.quota_spent",
    both(isVouched, says("exceeded your current quota", "insufficient_quota")),
    "BILLING",
    "PROFILE",
  ),
  rule(
    "text.overloaded",
    both(
      isVouched,
      says(
        "overloaded",
        "overloading",
        "at capacity",
        "no capacity",
        "over capacity",
        "capacity limits",
        "high demand",
        "is busy",
        "too busy",
      ),
    ),
    "OVERLOADED",
    "PROVIDER",
  ),
  rule(
    "text.place_refused",
    both(
      isVouched,
      says(
        "region, or territory not supported",
        "location is not supported",
        "not available in your country",
        "not available in your region",
      ),
    ),
    "FORBIDDEN",
    "PROVIDER",
  ),
  rule(
    "text.token_refused",
    both(
      isVouched,
      not(hasStatus(400, 404, 422, 429)),
      says(
        "token has expired",
        "token is expired",
        "token expired",
        "token has been invalidated",
        "token has been revoked",
        "token revoked",
        "invalidated oauth token",
        "invalid authentication credentials",
        "invalid access token",
        "invalid bearer token",
        "invalid or expired",
        "session has expired",
        "session expired",
        "jwt expired",
      ),
    ),
    "AUTH_INVALID_TOKEN",
    "PROFILE",
  ),
  rule(
    "text.model_not_found",
    both(
      isVouched,
      says(
        "model is not supported",
        "model not found",
        "model does not exist",
        "model not exist",
        "unknown model",
        "unsupported model",
        "no such model",
        "not a valid model",
        "does not exist or you do not have access",
        "no endpoints found",
        "not found for api version",
      ),
      not(hasCode("insufficient_quota")),
    ),
    "MODEL_NOT_FOUND",
    "PROFILE_MODEL",
  ),
  rule(
    "text.rate_limit",
    either(
      says(
        "rate limit is exceeded",
        "rate limit exceeded",
        "rate limit reached",
        "rate limited",
        "rate-limited",
        "too many requests",
      ),
      both(
        isVouched,
        not(hasStatus(401, 404)),
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
  ),
];
