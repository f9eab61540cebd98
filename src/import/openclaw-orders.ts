import { canonicalProfileId, canonicalProvider } from "../domain/alias.ts";
import { splitProfileId } from "../domain/profile.ts";
import type { ImportPlan } from "./item.ts";
import type { Orders } from "./openclaw-store.ts";

/**
 * The explicit orders in this house's ids. Sources come in order of precedence; within one provider
 * the first that says something counts, and what stands under `openai` counts for `openai-codex`
 * where nothing stands under that name. Ids that exist nowhere stay in: to skip them silently is how
 * a rotation shrinks unnoticed.
 */
export function ordersOf(
  sources: readonly Orders[],
  idOf: (id: string) => string | undefined,
): ImportPlan["orders"] {
  const orders = new Map<string, readonly string[]>();
  const written = sources.flatMap((source) => [...source]);
  const direct = written.filter(([provider]) => provider !== "openai");
  const alias = written.filter(([provider]) => provider === "openai");
  for (const [key, ids] of [...direct, ...alias]) {
    for (const [provider, profiles] of byProvider(canonicalProvider(key), ids, idOf)) {
      if (!orders.has(provider)) orders.set(provider, profiles);
    }
  }
  return [...orders].map(([provider, profiles]) => ({ provider, profiles }));
}

/** One written order may name logins of two providers: `openai` stood for the API key as well. */
function byProvider(
  key: string,
  ids: readonly string[],
  idOf: (id: string) => string | undefined,
): ReadonlyMap<string, readonly string[]> {
  const lists = new Map<string, string[]>();
  for (const id of ids) {
    const known = idOf(id);
    const provider = (known === undefined ? undefined : splitProfileId(known)?.provider) ?? key;
    const list = lists.get(provider) ?? [];
    const profile = known ?? canonicalProfileId(splitProfileId(id) === undefined ? `${key}:${id}` : id);
    if (!list.includes(profile)) list.push(profile);
    lists.set(provider, list);
  }
  return lists;
}

/** What an operator should hear about the orders before they hold. */
export function orderWarnings(plan: Pick<ImportPlan, "profiles" | "orders">): readonly string[] {
  const ids = plan.profiles.map((profile) => profile.id);
  return plan.orders.flatMap(({ provider, profiles }) => [
    ...profiles
      .filter((id) => !ids.includes(id))
      .map((id) => `the order of ${provider} names ${id}, which is not among these logins`),
    ...plan.profiles
      .filter((profile) => profile.provider === provider && !profiles.includes(profile.id))
      .map(
        (profile) => `${profile.id} stands outside the order of ${provider} and is not used while it holds`,
      ),
  ]);
}
