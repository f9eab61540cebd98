import { ACCOUNT_CLAIM } from "./oidc.mjs";
import { fingerprint } from "./token-gate.mjs";

/**
 * What went out: fingerprints of refresh tokens by account, and whose each access token is.
 * @param {() => number} now
 */
export function issueBook(now) {
  /** @type {Map<string, string[]>} */
  const refreshTokens = new Map();
  /** @type {Map<string, {sub: string, accountId: string, expiresAtMs: number}>} */
  const accessTokens = new Map();
  const issued = (sub) => refreshTokens.get(sub) ?? [];
  return {
    issued,
    /** Reads an answer of the token endpoint; opaque tokens and those of clients belong to no account. */
    enter({ access_token, refresh_token }) {
      if (!access_token.includes(".")) return;
      const claims = JSON.parse(Buffer.from(access_token.split(".")[1], "base64url").toString());
      const { sub, exp } = claims;
      const accountId = claims[ACCOUNT_CLAIM]?.chatgpt_account_id;
      accessTokens.set(access_token, { sub, accountId, expiresAtMs: exp * 1000 });
      if (refresh_token === undefined) return;
      const print = fingerprint(refresh_token);
      if (issued(sub).at(-1) !== print) refreshTokens.set(sub, [...issued(sub), print]);
    },
    accountOf(accessToken) {
      const entry = accessTokens.get(accessToken);
      return entry !== undefined && now() < entry.expiresAtMs ? entry.accountId : undefined;
    },
    /** The access tokens of this account are good no more. */
    strike(sub) {
      for (const [token, entry] of accessTokens) if (entry.sub === sub) accessTokens.delete(token);
    },
  };
}
