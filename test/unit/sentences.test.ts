import { expect, describe as group, test } from "vitest";
import { BrokerFailure, describe, type Failure } from "../../src/domain/failure.ts";
import { describeLogin, LoginFailed, type LoginReason, redirectUrl } from "../../src/domain/login.ts";

// Whoever is refused reads what happened, to whom, and what to do next.

const PROFILE = "openai-codex:work";
const failures: [Failure, ...RegExp[]][] = [
  [
    {
      kind: "field_invalid",
      violations: [
        { field: "model", description: "is too long" },
        { field: "profile", description: "is none" },
      ],
    },
    /^model: is too long; profile: is none$/,
  ],
  [{ kind: "provider_unknown", provider: "codx", nearest: "codex" }, /"codx"/, /did you mean "codex"\?/],
  [{ kind: "provider_unknown", provider: "abc" }, /"abc"/, /providers\.abc\.type in config\.json/],
  [{ kind: "profile_unknown", profile: PROFILE }, /no profile "openai-codex:work"/],
  [{ kind: "lease_unknown" }, /lease is not known/],
  [
    {
      kind: "unavailable",
      unavailability: { reason: "LOGIN_REQUIRED", message: "log in, please", profiles: [] },
    },
    /^log in, please$/,
  ],
  [{ kind: "older_grant", profile: PROFILE }, /"openai-codex:work"/, /newer login/],
  [{ kind: "account_changed", profile: PROFILE }, /"openai-codex:work"/, /another account/, /another label/],
  [{ kind: "identity_exists", profile: PROFILE, existing: "openai-codex:home" }, /"openai-codex:home"/],
  [{ kind: "login_unknown" }, /start it again/],
  [{ kind: "login_impossible", cause: "no client id", help: "set one" }, /^no client id; set one$/],
  [{ kind: "login_impossible", cause: "no client id", help: "" }, /^no client id$/],
  [{ kind: "return_impossible", cause: "it is gone", help: "log in there" }, /^it is gone; log in there$/],
  [{ kind: "api_key_wanted", provider: "xai" }, /only API keys/, /auth-broker login xai/],
  [{ kind: "starting" }, /starting; try again/],
  [{ kind: "draining" }, /shutting down/],
  [{ kind: "store_unavailable", path: "/s", cause: "full", mend: "free some" }, /\(full\): \/s; free some$/],
  [{ kind: "store_corrupt", path: "/s/a", mend: "mend it" }, /cannot be read: \/s\/a; mend it$/],
  [{ kind: "peer_unverified" }, /who is calling/],
  [{ kind: "client_forbidden" }, /policy does not allow/],
  [{ kind: "client_forbidden", why: "unconfirmed" }, /nobody has said yes/],
  [{ kind: "endpoint_limit", retryAtMs: 1 }, /rate limit/],
  [{ kind: "internal" }, /log has the cause/],
];

test.each(failures)("$kind says what it is", (failure, ...words) => {
  for (const word of words) expect(describe(failure)).toMatch(word);
  const cause = new Error("deep");
  const thrown = new BrokerFailure(failure, { cause });
  expect(thrown).toMatchObject({ name: "BrokerFailure", message: describe(failure), failure, cause });
});

group("a login that came to nothing", () => {
  const all: Record<LoginReason, RegExp> = {
    DENIED: /refused on the provider's page/,
    EXPIRED: /in time/,
    CODE_REFUSED: /did not take the code/,
    ISSUER_MISMATCH: /another server/,
    ID_TOKEN_INVALID: /id token/,
    NO_REFRESH_TOKEN: /offline_access/,
    ACCOUNT_CHANGED: /another account/,
    IDENTITY_EXISTS: /under another id/,
    PROVIDER_REFUSED: /refused the request/,
    CLIENT_REFUSED: /client id or its secret/,
    ANSWER_UNREADABLE: /no token that can be read/,
    UPSTREAM_UNAVAILABLE: /could not be reached/,
    NO_METADATA: /no metadata/,
    STORE_UNAVAILABLE: /written down/,
    PORT_BUSY: /every port/,
    SUPERSEDED: /another login for the same profile/,
    CANCELLED: /given up/,
    BROKER_STOPPED: /broker was stopped/,
    UNEXPECTED: /log has the cause/,
  };

  test.each(Object.entries(all) as [LoginReason, RegExp][])("%s says why", (reason, words) => {
    expect(describeLogin(reason)).toMatch(words);
    expect(describeLogin(reason, "invalid_scope")).toBe(`${describeLogin(reason)} (invalid_scope)`);
    const thrown = new LoginFailed(reason);
    expect(thrown).toMatchObject({ name: "LoginFailed", message: describeLogin(reason), reason });
    expect(thrown.isRepeatable).toBe(false);
  });

  test("may be asked again where nothing was spent", () => {
    const cause = new Error("deep");
    const thrown = new LoginFailed("UPSTREAM_UNAVAILABLE", "timeout", { cause, isRepeatable: true });
    expect(thrown).toMatchObject({ isRepeatable: true, cause });
    expect(thrown.message).toMatch(/\(timeout\)$/);
  });

  test("was to come back to this machine, by the name that the provider knows", () => {
    const redirect = { host: "localhost", ports: [], path: "/auth/callback" } as const;
    expect(redirectUrl(redirect, 1455)).toBe("http://localhost:1455/auth/callback");
  });
});
