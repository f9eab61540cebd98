import type { Grant } from "../domain/grant.ts";
import type { ImportedProfile } from "../import/item.ts";
import { timestampOf } from "../rpc/instants.ts";
import type { Message } from "../rpc/schema.ts";

/**
 * A login of another program as a `PutProfileRequest`. Opens its secrets: this is their way into the
 * broker.
 */
export function putRequest(profile: ImportedProfile): Message {
  const { id, grant, account, aliases, attributes, cooldowns, sourcePath } = profile;
  return {
    profile: id,
    ...grantMessage(grant, account),
    ownership: "OWNERSHIP_SHARED",
    sourcePath,
    aliases,
    attributes,
    cooldowns: cooldowns.map(({ model, outcome, source, untilMs }) => ({
      model,
      outcome: `OUTCOME_${outcome}`,
      source: `COOLDOWN_SOURCE_${source}`,
      untilTime: timestampOf(untilMs),
    })),
  };
}

function grantMessage(grant: Grant, account: ImportedProfile["account"]): Message {
  const ends = "expires" in grant &&
    grant.expires !== undefined && { expireTime: timestampOf(grant.expires.wallMs) };
  switch (grant.kind) {
    case "api_key":
      return { apiKey: { key: grant.key.reveal() } };
    case "token":
      return { token: { token: grant.token.reveal(), ...ends } };
    case "oauth":
      return {
        oauth: {
          accessToken: grant.accessToken.reveal(),
          refreshToken: grant.refreshToken?.reveal() ?? "",
          idToken: grant.idToken?.reveal() ?? "",
          tokenType: grant.tokenType,
          scopes: grant.scopes,
          ...ends,
          ...account,
        },
      };
  }
}
