import { nextMidnight } from "./civil-time.ts";
import type { Evidence } from "./evidence.ts";
import { generic } from "./generic.ts";
import { asObject, asText } from "./loose-json.ts";
import { both, type Dialect, hasStatus, rule, says, type Test } from "./rule.ts";

/** An upstream of OpenRouter's refused; its reasons concern that model, never the caller's account. */
const isUpstream: Test = ({ root }) => {
  const error = asObject(asObject(root)?.error);
  const provider = asText(asObject(error?.metadata)?.provider_name);
  return provider !== undefined && asText(error?.message)?.toLowerCase() === "provider returned error";
};

const utcMidnight = ({ receivedAtMs }: Evidence) =>
  nextMidnight(receivedAtMs, { kind: "offset", minutes: 0 });

export const openrouter: Dialect = {
  ...generic,
  name: "openrouter",
  rules: [
    rule("upstream_billing", both(isUpstream, hasStatus(402)), "BILLING", "PROFILE_MODEL"),
    rule("upstream_refused", both(isUpstream, hasStatus(401, 403)), "UNRECOGNIZED", "NONE"),
    rule("moderated", both(hasStatus(403), says("flagged", "moderation")), "BAD_REQUEST", "NONE"),
    rule("free_models_per_day", says("free-models-per-day"), "USAGE_LIMIT", "PROFILE", {
      documentedReset: utcMidnight,
    }),
  ],
  throttleScope: () => "PROFILE_MODEL",
};
