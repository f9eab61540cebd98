import { canonicalProfileId, canonicalProvider } from "../domain/alias.ts";
import type { Account, Grant } from "../domain/grant.ts";
import { splitProfileId } from "../domain/profile.ts";
import type { ImportedProfile, SourceName } from "./item.ts";

/** A login of a program that knows no profile ids; it is named after its account. */
export function namedByAccount(login: {
  readonly provider: string;
  readonly grant: Grant;
  readonly account: Account;
  readonly sourcePath: string;
  readonly source: SourceName;
}): ImportedProfile {
  const label = labelOf(login.account.email) ?? labelOf(login.account.accountId) ?? "default";
  return {
    ...login,
    id: `${login.provider}:${label}`,
    label,
    aliases: [],
    attributes: {},
    copies: [],
    cooldowns: [],
  };
}

/** The id, provider and label that a login gets here, from the id and provider that another program gave it. */
export function renamed(
  id: string,
  provider: string,
  kind: Grant["kind"],
): {
  readonly id: string;
  readonly provider: string;
  readonly label: string;
  readonly aliases: readonly string[];
} {
  const parts = splitProfileId(id);
  const label = parts?.label ?? id;
  const here = canonicalProfileId(`${provider}:${label}`, kind);
  return {
    id: here,
    provider: splitProfileId(here)?.provider ?? canonicalProvider(provider),
    label,
    aliases: parts === undefined || here === id ? [] : [id],
  };
}

/** A text out of a token's claims as a label, if it is fit to be one. */
export function labelOf(text: string | undefined): string | undefined {
  return text !== undefined && /^[\w.@+-]{1,128}$/.test(text) ? text : undefined;
}
