import type { Ranked, Request } from "./candidate.ts";
import { isCorrupt, type Pool } from "./pool.ts";

/**
 * Why none of a provider's profiles comes into question, where one fact says it all, and what helps.
 * `shown`: the profiles that the caller may know of.
 */
export function noProfile(
  pool: Pool,
  request: Request,
  shown: readonly Ranked[],
): { readonly message?: string; readonly help: string } {
  const { provider } = request;
  if (shown.length === 0) return firstProfile(pool, provider);
  const [first] = shown.map(({ seat }) => seat.profile.id);
  if (shown.every((ranked) => reasonOf(ranked) === "DISABLED")) {
    return { message: "every profile is disabled", help: `auth-broker profiles enable ${first}` };
  }
  const explain = { help: `auth-broker explain ${provider}` };
  const { pool: asked } = request;
  if (asked === "" || shown.some(({ seat }) => poolsOf(seat.profile).includes(asked))) return explain;
  const pools = [...new Set(shown.flatMap(({ seat }) => poolsOf(seat.profile)))].sort();
  const there = pools.length === 0 ? "none is in any pool" : `there are: ${pools.join(", ")}`;
  return { message: `no profile is in the pool "${asked}"; ${there}`, ...explain };
}

function firstProfile({ rules }: Pool, provider: string) {
  return rules.isKeysOnly === true
    ? {
        message: "there is no profile; add a key",
        help: `auth-broker profiles add ${provider}:LABEL --api-key`,
      }
    : { message: "there is no profile; log in, or import one", help: `auth-broker login ${provider}` };
}

function reasonOf({ verdict }: Ranked): string {
  return verdict.kind === "out" ? verdict.reason : "";
}

function poolsOf(profile: Ranked["seat"]["profile"]): readonly string[] {
  return isCorrupt(profile) ? [] : profile.pools;
}
