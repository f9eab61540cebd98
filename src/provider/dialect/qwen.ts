import { generic } from "./generic.ts";
import { both, type Dialect, hasCode, rule, says } from "./rule.ts";

/** Qwen's OAuth access: OpenAI's codes with meanings of its own. */
export const qwen: Dialect = {
  ...generic,
  name: "qwen",
  rules: [
    // The code says "API key", but it is the access token, and a refresh cures it.
    rule(
      "token_refused",
      both(hasCode("invalid_api_key"), says("access token", "token expired")),
      "AUTH_INVALID_TOKEN",
      "PROFILE",
    ),
    // The daily free allowance, not a bill.
    rule(
      "free_quota",
      hasCode("insufficient_quota", "allocationquota.freetieronly"),
      "USAGE_LIMIT",
      "PROFILE",
    ),
    rule("free_quota", says("free allocated quota", "free quota"), "USAGE_LIMIT", "PROFILE"),
  ],
  throttleScope: () => "PROFILE_MODEL",
};
