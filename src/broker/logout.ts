import { BrokerFailure } from "../domain/failure.ts";
import { LoginFailed } from "../domain/login.ts";
import type { Profile } from "../domain/profile.ts";
import { after } from "../domain/time.ts";
import type { LoginGrant, LoginProtocol, OAuthClient } from "../provider/provider.ts";
import type { Context } from "./context.ts";
import { find, remove } from "./profiles.ts";

export interface LoggedOut {
  readonly revoked: boolean;
  /** Why it was not revoked, and what to do about it. */
  readonly message: string;
}

/**
 * Ends a profile's grant at the provider and removes the profile. Rejects with `BrokerFailure`, the
 * profile being as it was, if the provider cannot be reached or refuses.
 */
export async function logout(
  ctx: Context,
  protocol: LoginProtocol,
  asked: string,
  keepAtProvider: boolean,
): Promise<LoggedOut> {
  const before = find(ctx, asked);
  const { id } = before;
  // A refresh under way would bring a token that nobody revokes.
  if (ctx.refreshes.isFlying(id)) await ctx.refreshes.join(before).done;
  const profile = find(ctx, id);
  const client = ctx.providerOf(profile.provider).oauth;
  const obstacle = keepAtProvider
    ? "it was not to be revoked there"
    : await ended(ctx, protocol, profile, client);
  await remove(ctx, id);
  ctx.log.info({ profile: id, revoked: obstacle === undefined }, "logged out");
  return { revoked: obstacle === undefined, message: obstacle ?? "" };
}

/** Ends the grant at the provider; gives the reason if there is no way to. Rejects with `BrokerFailure`. */
async function ended(
  ctx: Context,
  protocol: LoginProtocol,
  profile: Profile,
  client: OAuthClient | undefined,
): Promise<string | undefined> {
  const { grant, provider } = profile;
  if (grant.kind === "api_key") return "an API key is withdrawn on the provider's page";
  const isPossible = client !== undefined && (client.revokeUrl !== undefined || client.issuer !== undefined);
  if (isPossible && (await revoke(ctx, protocol, profile.id, grant, client))) return undefined;
  return `no revoke address of ${provider} is known; the login ends there by signing out on its page`;
}

async function revoke(
  ctx: Context,
  protocol: LoginProtocol,
  id: string,
  grant: LoginGrant["grant"],
  client: OAuthClient,
): Promise<boolean> {
  const { alarm, clock, settings } = ctx;
  const late = new AbortController();
  const cancel = alarm.at(after(clock.now(), settings.refresh.totalTimeoutMs), () => late.abort());
  try {
    return await protocol.revoke(client, grant, { now: () => clock.now(), signal: late.signal });
  } catch (error) {
    if (!(error instanceof LoginFailed)) throw error;
    if (error.reason === "NO_METADATA") return false;
    // A token that the provider does not know any more needs no revocation.
    if (error.reason === "CODE_REFUSED") return true;
    const message = `the login could not be revoked, so it was left as it is: ${error.message}`;
    const help = `auth-broker logout ${id} --keep-at-provider`;
    const unavailability = { reason: "UPSTREAM_UNAVAILABLE", message, help, profiles: [] } as const;
    throw new BrokerFailure({ kind: "unavailable", unavailability }, { cause: error });
  } finally {
    cancel();
  }
}
