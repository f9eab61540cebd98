import { LoginFailed } from "../domain/login.ts";
import { isOk, objectIn, responseOf } from "./answer-body.ts";
import { answeredOf, readLogin, refusalOf } from "./login-tokens.ts";
import type { Wire } from "./login-wire.ts";
import type { Attempt, DeviceAuthorization, LoginGrant } from "./provider.ts";

/** Where the server names none (RFC 8628 section 3.2). */
const DEFAULT_INTERVAL_SEC = 5;
/** No answer's time counts for more; a code lives for minutes. */
const LONGEST_SEC = 86_400;

/** Begins a device login (RFC 8628), with PKCE where the provider wants that. */
export async function standardDevice(
  wire: Wire,
  attempt: Attempt,
  random: () => number,
): Promise<DeviceAuthorization> {
  const { library, client, server, app } = wire;
  const verifier = client.login?.devicePkce === true ? library.generateRandomCodeVerifier() : undefined;
  const parameters = {
    ...(client.scopes.length === 0 ? {} : { scope: client.scopes.join(" ") }),
    ...(verifier === undefined ? {} : await challenge(wire, verifier)),
  };
  const exchange = await wire.send(
    (options, auth) => library.deviceAuthorizationRequest(server, app, auth, parameters, options),
    attempt.signal,
  );
  const answered = answeredOf(exchange);
  if (!isOk(answered)) throw refusalOf(wire, answered, objectIn(answered), attempt.now());
  const device = await library
    .processDeviceAuthorizationResponse(server, app, responseOf({ ...answered, status: 200 }))
    .catch((cause: unknown) => {
      throw new LoginFailed("ANSWER_UNREADABLE", "", { cause });
    });
  const additionalParameters = verifier === undefined ? {} : { code_verifier: verifier };
  return {
    userCode: device.user_code,
    verificationUrl: device.verification_uri,
    ...(device.verification_uri_complete === undefined
      ? {}
      : { verificationUrlComplete: device.verification_uri_complete }),
    expiresInMs: Math.min(device.expires_in, LONGEST_SEC) * 1_000,
    intervalMs: Math.min(device.interval ?? DEFAULT_INTERVAL_SEC, LONGEST_SEC) * 1_000,
    poll: async (poll) => {
      const sentAt = poll.now();
      const asked = await wire.send(
        (options, auth) =>
          library.deviceCodeGrantRequest(server, app, auth, device.device_code, {
            ...options,
            additionalParameters,
          }),
        poll.signal,
      );
      // A poll that was not heard is made again, less often (RFC 8628 section 3.5).
      if (asked.kind !== "answered") return "slow_down";
      return stillPending(asked) ?? polled(readLogin(wire, asked, { ...poll, sentAt, random }));
    },
  };
}

async function challenge({ library }: Wire, verifier: string) {
  return {
    code_challenge: await library.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  };
}

/** GitHub says "pending" with status 200, so the status is not looked at. */
function stillPending(answered: Parameters<typeof objectIn>[0]): "pending" | "slow_down" | undefined {
  const error = objectIn(answered)?.error;
  if (error === "authorization_pending") return "pending";
  if (error === "slow_down") return "slow_down";
  if (error === "expired_token") throw new LoginFailed("EXPIRED");
  return undefined;
}

async function polled(reading: Promise<LoginGrant>): Promise<LoginGrant | "slow_down"> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof LoginFailed && error.isRepeatable) return "slow_down";
    throw error;
  }
}
