import { textClaim } from "../domain/jwt.ts";
import { LoginFailed } from "../domain/login.ts";
import { Secret } from "../domain/secret.ts";
import { isOk, objectIn } from "./answer-body.ts";
import { type Exchange, post } from "./exchange.ts";
import type { Fetch } from "./fetch.ts";
import { momentLeftMs } from "./lifetime.ts";
import { answeredOf, readLogin, refusalOf } from "./login-tokens.ts";
import type { Wire } from "./login-wire.ts";
import type { Attempt, DeviceAuthorization, LoginGrant } from "./provider.ts";

const GRANT = "urn:ietf:params:oauth:grant-type:user_code";
const DEFAULT_LIFE_MS = 15 * 60_000;
/** Milliseconds, as its portal states them; never more often, whatever it says. */
const SHORTEST_INTERVAL_MS = 2_000;
const LONGEST_INTERVAL_MS = 60_000;

/**
 * MiniMax's login, which looks like a device login and is not RFC 8628: there is no device code, the poll
 * names the user code and proves itself by PKCE, `state` comes back with the code, moments are absolute,
 * and the poll says in a `status` how it stands.
 */
export async function userCodeDevice(
  wire: Wire,
  fetch: Fetch,
  attempt: Attempt,
  random: () => number,
): Promise<DeviceAuthorization> {
  const { library, client, server } = wire;
  const verifier = new Secret(library.generateRandomCodeVerifier());
  const state = library.generateRandomState();
  const asked = {
    response_type: "code",
    client_id: client.clientId,
    scope: client.scopes.join(" "),
    code_challenge: await library.calculatePKCECodeChallenge(verifier.reveal()),
    code_challenge_method: "S256",
    state,
  };
  const started = answeredOf(
    await postForm(fetch, server.device_authorization_endpoint, asked, attempt.signal),
  );
  const content = objectIn(started);
  const userCode = textClaim(content, "user_code");
  const verificationUrl = textClaim(content, "verification_uri");
  if (!isOk(started)) throw refusalOf(wire, started, content, attempt.now());
  if (userCode === undefined || verificationUrl === undefined) throw new LoginFailed("ANSWER_UNREADABLE");
  if (content?.state !== state) throw new LoginFailed("ISSUER_MISMATCH", "it belongs to another login");
  const proof = { grant_type: GRANT, client_id: client.clientId, user_code: userCode };
  return {
    userCode,
    verificationUrl,
    expiresInMs: momentLeftMs(content.expired_in, attempt.now()) ?? DEFAULT_LIFE_MS,
    intervalMs: intervalMs(content.interval),
    poll: async ({ now, signal }) => {
      const sentAt = now();
      const fields = { ...proof, code_verifier: verifier.reveal() };
      const polled = await postForm(fetch, server.token_endpoint, fields, signal);
      return answerTo(wire, polled, { now, signal, sentAt, random });
    },
  };
}

async function answerTo(
  wire: Wire,
  polled: Exchange,
  context: Attempt & { readonly sentAt: ReturnType<Attempt["now"]>; readonly random: () => number },
): Promise<LoginGrant | "pending" | "slow_down"> {
  // Not heard, or not answered: asked again, less often.
  if (polled.kind !== "answered") return "slow_down";
  const content = objectIn(polled);
  if (isOk(polled) && content !== undefined) {
    if (content.status === "success") return readLogin(wire, polled, context);
    if (content.status === "error") throw new LoginFailed("PROVIDER_REFUSED");
    return "pending";
  }
  const refusal = refusalOf(wire, polled, content, context.now());
  if (refusal.isRepeatable) return "slow_down";
  throw refusal;
}

function postForm(
  fetch: Fetch,
  url: string | undefined,
  fields: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Exchange> {
  const headers = {
    accept: "application/json",
    "content-type": "application/x-www-form-urlencoded",
    "user-agent": "auth-broker",
  };
  return post(fetch, url ?? "", { headers, body: new URLSearchParams(fields).toString() }, signal);
}

function intervalMs(stated: unknown): number {
  const ms = Number(stated);
  return ms > 0 ? Math.min(Math.max(ms, SHORTEST_INTERVAL_MS), LONGEST_INTERVAL_MS) : SHORTEST_INTERVAL_MS;
}
