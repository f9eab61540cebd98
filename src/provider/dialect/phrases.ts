import { LIMIT_PHRASES, THROTTLE_PHRASES } from "./limit-phrases.ts";
import { both, either, hasStatus, isVouched, not, type Rule, rule, says } from "./rule.ts";

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
    says("not your usage limit", "server is temporarily limiting requests"),
    "RATE_LIMIT",
    "PROVIDER",
  ),
];

const LOGIN_ENDED: Rule = rule(
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
);

const OVERLOADED: Rule = rule(
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
);

const PLACE_REFUSED: Rule = rule(
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
);

/** The program is not welcome; every account would be told the same. */
const CLIENT_REFUSED: Rule = rule(
  "text.client_refused",
  both(
    isVouched,
    says(
      "only authorized for use with claude code",
      "only available for coding agents",
      "only allows codex official clients",
    ),
  ),
  "FORBIDDEN",
  "PROVIDER",
);

const TOKEN_REFUSED: Rule = rule(
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
);

const MODEL_NOT_FOUND: Rule = rule(
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
  ),
  "MODEL_NOT_FOUND",
  "PROFILE_MODEL",
);

/** What messages say where the code does not tell. The order settles contradictions. */
export const PHRASES: readonly Rule[] = [
  LOGIN_ENDED,
  ...LIMIT_PHRASES,
  OVERLOADED,
  PLACE_REFUSED,
  CLIENT_REFUSED,
  TOKEN_REFUSED,
  MODEL_NOT_FOUND,
  ...THROTTLE_PHRASES,
];
