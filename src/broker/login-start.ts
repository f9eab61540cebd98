import { BrokerFailure } from "../domain/failure.ts";
import { LoginFailed, type LoginFlow } from "../domain/login.ts";
import type { OAuthClient } from "../provider/provider.ts";
import { type Context, unknownProvider } from "./context.ts";

/** Which login to begin. */
export interface LoginOrder {
  /** Canonical id. */
  readonly provider: string;
  /** Empty: the account decides which profile it is for. */
  readonly label: string;
  /** Absent: loopback where the provider has it, else device; for client credentials neither. */
  readonly flow?: LoginFlow;
  readonly allowAccountChange: boolean;
}

/** What a login begins with. `profileId`: empty without a label. */
export interface LoginPlan {
  readonly client: OAuthClient;
  readonly flow: LoginFlow;
  readonly profileId: string;
}

/**
 * Throws `BrokerFailure`: an unknown provider, one without logins or without this flow, an id that
 * holds an API key.
 */
export function planOf(ctx: Context, { provider, label, flow }: LoginOrder): LoginPlan {
  if (!ctx.isKnown(provider)) throw unknownProvider(ctx, provider);
  const client = ctx.providerOf(provider).oauth;
  if (client === undefined) throw new BrokerFailure({ kind: "api_key_wanted", provider });
  const profileId = label === "" ? "" : ctx.ledger.resolve(`${provider}:${label}`);
  if (ctx.ledger.get(profileId)?.grant.kind === "api_key") {
    throw impossible(`"${profileId}" holds an API key, which a login would replace`, "use another label");
  }
  return { client, flow: flowOf(provider, client, flow), profileId };
}

function flowOf(provider: string, client: OAuthClient, wanted: LoginFlow | undefined): LoginFlow {
  const { authorizeUrl, deviceUrl, issuer, grantType } = client;
  if (grantType === "client_credentials" || wanted === "CLIENT") {
    if (grantType === undefined) throw impossible(`${provider} has no login without a person`, "");
    if (wanted === undefined || wanted === "CLIENT") return "CLIENT";
    const help = `auth-broker login ${provider}`;
    throw impossible(`${provider} logs in with its client id and secret, without a person`, help);
  }
  const hasCode = authorizeUrl !== undefined || (issuer !== undefined && deviceUrl === undefined);
  const hasDevice = deviceUrl !== undefined || issuer !== undefined;
  const flow = wanted ?? (hasCode ? "LOOPBACK" : "DEVICE");
  if (flow === "DEVICE" ? hasDevice : hasCode || (wanted !== undefined && issuer !== undefined)) return flow;
  const other = hasDevice ? `auth-broker login ${provider} --device` : `auth-broker login ${provider}`;
  if (flow === "DEVICE" && !hasCode)
    throw impossible(`no login of ${provider} is known here`, "set deviceUrl");
  const name = flow === "DEVICE" ? "device logins" : "logins by a browser on this machine";
  throw impossible(`${provider} has no ${name}`, other);
}

/** What could not even begin, as a failure of the call. */
export function refusedStart(error: unknown): unknown {
  if (!(error instanceof LoginFailed)) return error;
  const { reason, message } = error;
  if (reason === "UPSTREAM_UNAVAILABLE") {
    return new BrokerFailure({ kind: "unavailable", unavailability: { reason, message, profiles: [] } });
  }
  return impossible(message, reason === "PORT_BUSY" ? "use --device or --paste" : "");
}

export function tooManyLogins(count: number): BrokerFailure {
  return impossible(`${count} logins are under way`, "finish or cancel one, or wait until one expires");
}

function impossible(cause: string, help: string): BrokerFailure {
  return new BrokerFailure({ kind: "login_impossible", cause, help });
}
