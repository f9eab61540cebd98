import type { Outcome, Scope } from "../../domain/outcome.ts";
import type { Evidence } from "./evidence.ts";
import { isEdge, TRANSPORT } from "./fallback.ts";
import { both, either, hasCode, hasStatus, not, says, type Test } from "./rule.ts";

/** What one kind of answer of a token endpoint means. */
export interface TokenRule {
  /** Our own word for it; texts of the server may echo a token. */
  readonly code: string;
  /** `terminal`: the refresh token is dead for good. */
  readonly kind: "terminal" | "not_now";
  readonly when: (evidence: Evidence, providerId: string) => boolean;
  readonly outcome: Outcome;
  readonly scope: Scope;
  /** A wait that the protocol fixes. */
  readonly waitMs?: number;
}

const dead = (code: string, when: TokenRule["when"]): TokenRule => ({
  code,
  kind: "terminal",
  when,
  outcome: "AUTH_PERMANENT",
  scope: "PROFILE",
});
const notNow = (code: string, when: TokenRule["when"], outcome: Outcome, scope: Scope): TokenRule => ({
  code,
  kind: "not_now",
  when,
  outcome,
  scope,
});

/** Codes that end a grant under any status (RFC 6749 section 5.2, and OpenAI's and GitHub's own). */
const DEAD_CODES = [
  "invalid_grant",
  "invalid_refresh_token",
  "bad_refresh_token",
  "refresh_token_expired",
  "refresh_token_reused",
  "refresh_token_invalidated",
  "refresh_token_revoked",
  "token_expired",
  "token_revoked",
  "token_invalidated",
  "app_session_terminated",
  "app_session_expired",
  "app_session_not_found",
  "account_session_expired",
  "account_auth_invalidated",
  "account_deactivated",
  "account_suspended",
  "account_deleted",
  "access_denied",
] as const;

/** Mistakes of the client definition: nothing is said about the token. */
const isClientRefused = hasCode(
  "invalid_client",
  "unauthorized_client",
  "unsupported_grant_type",
  "invalid_scope",
  "invalid_target",
  "incorrect_client_credentials",
  "deleted_client",
  "disabled_client",
  "org_internal",
);

/** Vendors whose own clients take any 401 of the token endpoint for the end of the login. */
const FINAL_401: ReadonlySet<string> = new Set(["openai-codex", "kimi"]);

/** Our own check of a fresh token failed; the server granted it. */
const isClockTrouble = says(
  "token is in the future",
  "immature_id_token",
  "not active yet",
  "token is not yet valid",
);

/** Messages that name the death of the refresh token where no code does. */
const saysDead: Test = ({ text }) => {
  const at = text.search(/refresh[ _]token/);
  const about = at < 0 ? "" : text.slice(at, at + 80);
  const dies = ["already been used", "already used", "already consumed", "expired", "revoked", "invalidated"];
  const unknown = ["not found", "is invalid", "or invalid", "not valid", "empty string"];
  return [...dies, ...unknown].some((word) => about.includes(word));
};
const saysSessionEnded = says(
  "token has been revoked",
  "session expired",
  "session has expired",
  "session has ended",
  "invalid refresh token",
);
/** A verdict in words alone is believed only under statuses that give verdicts. */
const givesVerdict = hasStatus(0, 200, 400, 401, 403);

const isThrottle = either(
  hasStatus(429),
  hasCode("rate_limit_error"),
  says("rate-limited", "rate limit", "too many requests"),
);
const is5xx: Test = ({ status }) => status >= 500;

const SERVER_TROUBLE: readonly TokenRule[] = [
  notNow("rate_limited", both(isEdge, hasStatus(429)), "RATE_LIMIT", "PROVIDER"),
  notNow("edge_blocked", both(isEdge, hasStatus(401, 403, 451)), "FORBIDDEN", "PROVIDER"),
  notNow("html", isEdge, "SERVER_ERROR", "NONE"),
  notNow("place_refused", says("region, or territory not supported"), "FORBIDDEN", "PROVIDER"),
  notNow("place_refused", hasCode("unsupported_country_region_territory"), "FORBIDDEN", "PROVIDER"),
  notNow("server_error", is5xx, "SERVER_ERROR", "NONE"),
];

/** How answers of token endpoints are read; the first rule that fits decides. */
export const TOKEN_RULES: readonly TokenRule[] = [
  ...DEAD_CODES.map((code) => dead(code, hasCode(code))),
  notNow("client_refused", isClientRefused, "AUTH_PERMANENT", "PROVIDER"),
  notNow(
    "authorization_pending",
    hasCode("authorization_pending", "deviceauth_authorization_pending"),
    "UNRECOGNIZED",
    "NONE",
  ),
  // RFC 8628 section 3.5: five seconds more between two polls.
  { ...notNow("slow_down", hasCode("slow_down"), "RATE_LIMIT", "NONE"), waitMs: 5_000 },
  { ...dead("authorization_declined", hasCode("authorization_declined", "expired_token")), scope: "NONE" },
  notNow("clock_skew", isClockTrouble, "UNRECOGNIZED", "NONE"),
  ...SERVER_TROUBLE,
  dead("refresh_token_refused", both(givesVerdict, either(saysDead, saysSessionEnded))),
  dead("bad_credentials", both(hasStatus(401), says("bad credentials"))),
  dead(
    "unauthorized",
    ({ status, form }, providerId) => status === 401 && form === "json" && FINAL_401.has(providerId),
  ),
  ...TRANSPORT.map(({ name, when, verdict }) => {
    const { outcome } = verdict as { outcome: Outcome };
    return notNow(name.slice(name.indexOf(".") + 1), when, outcome, "NONE");
  }),
  // Anthropic's edge refuses some clients this way, all accounts alike.
  notNow(
    "rate_limited",
    both(isThrottle, ({ text }) => text.startsWith("rate limited.")),
    "RATE_LIMIT",
    "PROVIDER",
  ),
  notNow("rate_limited", isThrottle, "RATE_LIMIT", "PROFILE"),
  notNow("not_found", hasStatus(404), "SERVER_ERROR", "PROVIDER"),
  notNow("not_entitled", both(hasStatus(403), says("missing token")), "AUTH_PERMANENT", "PROFILE"),
  notNow("forbidden", both(hasStatus(403), not(says("could not be refreshed"))), "FORBIDDEN", "PROFILE"),
];

/** No cause that we know: worth another try, no reason to give the login up. */
export const TOKEN_UNRECOGNIZED: TokenRule = notNow(
  "unrecognized",
  () => true,
  "AUTH_INVALID_TOKEN",
  "PROFILE",
);
