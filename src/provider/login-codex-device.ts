import { type Claims, textClaim } from "../domain/jwt.ts";
import { LoginFailed } from "../domain/login.ts";
import { isOk, objectIn } from "./answer-body.ts";
import { type Answered, post } from "./exchange.ts";
import type { Fetch } from "./fetch.ts";
import { answeredOf, readLogin, refusalOf } from "./login-tokens.ts";
import type { Wire } from "./login-wire.ts";
import type { Attempt, DeviceAuthorization, LoginGrant } from "./provider.ts";

/** How long OpenAI's user code is good (as the Codex CLI waits). */
const EXPIRES_IN_MS = 15 * 60_000;
const DEFAULT_INTERVAL_SEC = 5;
const SLOWEST_INTERVAL_SEC = 60;
/** Asked too early, the poll is answered with one of these. */
const PENDING = [403, 404];

/**
 * OpenAI's device login of the Codex CLI, which is not RFC 8628: JSON requests, and what the poll
 * brings in the end is an authorization code with its verifier.
 */
export async function codexDevice(
  wire: Wire,
  fetch: Fetch,
  attempt: Attempt,
  random: () => number,
): Promise<DeviceAuthorization> {
  const { client, server } = wire;
  const startUrl = new URL(server.device_authorization_endpoint ?? "");
  const started = answeredOf(await postJson(fetch, startUrl, { client_id: client.clientId }, attempt.signal));
  const device = objectIn(started);
  const id = textClaim(device, "device_auth_id");
  const userCode = textClaim(device, "user_code") ?? textClaim(device, "usercode");
  if (!isOk(started)) throw refusalOf(wire, started, device, attempt.now());
  if (id === undefined || userCode === undefined) throw new LoginFailed("ANSWER_UNREADABLE");
  let answer: Claims | undefined;
  return {
    userCode,
    verificationUrl: new URL("/codex/device", startUrl).href,
    expiresInMs: EXPIRES_IN_MS,
    intervalMs: intervalSec(device) * 1_000,
    poll: async (poll) => {
      if (answer === undefined) {
        const asked = { device_auth_id: id, user_code: userCode };
        const polled = await postJson(fetch, new URL("token", startUrl), asked, poll.signal);
        if (polled.kind !== "answered") return "slow_down";
        if (PENDING.includes(polled.status)) return "pending";
        answer = answerIn(wire, polled, poll);
        if (answer === undefined) return "slow_down";
      }
      return codeRedeemed(wire, answer, startUrl, poll, random);
    },
  };
}

/** Undefined: the server was not up to it; ask again. */
function answerIn(wire: Wire, polled: Answered, { now }: Attempt): Claims | undefined {
  const content = objectIn(polled);
  if (isOk(polled)) return content;
  const refusal = refusalOf(wire, polled, content, now());
  if (refusal.isRepeatable) return undefined;
  throw refusal;
}

async function codeRedeemed(
  wire: Wire,
  answer: Claims,
  startUrl: URL,
  { now, signal }: Attempt,
  random: () => number,
): Promise<LoginGrant | "slow_down"> {
  const { library, server, app, client } = wire;
  const code = textClaim(answer, "authorization_code");
  const verifier = textClaim(answer, "code_verifier");
  if (code === undefined || verifier === undefined) throw new LoginFailed("ANSWER_UNREADABLE");
  const checked = library.validateAuthResponse(
    server,
    app,
    new URLSearchParams({ code }),
    library.expectNoState,
  );
  const redirect = new URL("/deviceauth/callback", startUrl).href;
  const sentAt = now();
  const exchange = await wire.send(
    (options, auth) =>
      library.authorizationCodeGrantRequest(server, app, auth, checked, redirect, verifier, options),
    signal,
    client.body,
  );
  try {
    return await readLogin(wire, exchange, { sentAt, now, signal, random });
  } catch (error) {
    if (error instanceof LoginFailed && error.isRepeatable) return "slow_down";
    throw error;
  }
}

function postJson(fetch: Fetch, url: URL, content: object, signal: AbortSignal) {
  const headers = {
    accept: "application/json",
    "content-type": "application/json",
    "user-agent": "auth-broker",
  };
  return post(fetch, url.href, { headers, body: JSON.stringify(content) }, signal);
}

/** A number, or the same as a text. */
function intervalSec(device: Claims | undefined): number {
  const seconds = Number(device?.interval);
  return seconds > 0 ? Math.min(seconds, SLOWEST_INTERVAL_SEC) : DEFAULT_INTERVAL_SEC;
}
