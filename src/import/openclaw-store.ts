import { firstOf, type JsonObject, objectOf } from "./fields.ts";
import { ImportError } from "./file.ts";
import type { OpenclawEntry } from "./openclaw-entry.ts";

/** Ids of profiles in order, by provider, as written. */
export type Orders = ReadonlyMap<string, readonly string[]>;

/** What stands beside the credentials: in `auth-state.json`, in older versions in the same file. */
export interface OpenclawState {
  readonly orders: Orders;
  readonly usage: ReadonlyMap<string, JsonObject>;
}

const STATE_KEYS = ["version", "order", "lastGood", "usageStats"];

/**
 * The credentials of one file: `auth-profiles.json`, or one of its forerunners `auth.json` and
 * `oauth.json`, which map a provider to its one credential. Throws `ImportError` if it is none of them.
 */
export function storeEntries(value: unknown, path: string): readonly OpenclawEntry[] {
  const file = objectOf(value);
  if (file === undefined) throw new ImportError(65, path, "is no auth file of OpenClaw (not an object)");
  if (!("profiles" in file)) return forerunnerEntries(file, path);
  const profiles = objectOf(file.profiles);
  if (profiles === undefined) throw new ImportError(65, path, "profiles is not an object");
  return Object.entries(profiles).map(([id, entry]) => ({ id, value: entry }));
}

/**
 * The same document with every entry changed. A database without one is that of an agent that has no logins of
 * its own. Throws `ImportError` as `storeEntries` does.
 */
export function mapEntries(
  value: unknown,
  path: string,
  change: (entry: OpenclawEntry) => unknown,
): JsonObject {
  if (value === undefined) return {};
  const file = objectOf(value) ?? {};
  const changed = storeEntries(value, path).map((entry) => [entry, change(entry)] as const);
  if ("profiles" in file)
    return { ...file, profiles: Object.fromEntries(changed.map(([{ id }, entry]) => [id, entry])) };
  return { ...file, ...Object.fromEntries(changed.map(([{ provider = "" }, entry]) => [provider, entry])) };
}

/** The same document with one more entry; a new one where there was none. */
export function withEntry(value: unknown, id: string, entry: JsonObject): JsonObject {
  const file = objectOf(value) ?? { version: 1 };
  return { ...file, profiles: { ...objectOf(file.profiles), [id]: entry } };
}

function forerunnerEntries(file: JsonObject, path: string): readonly OpenclawEntry[] {
  const entries = Object.entries(file).filter(([key]) => !STATE_KEYS.includes(key));
  const isCredential = (entry: unknown) => {
    const fields = objectOf(entry);
    return fields !== undefined && firstOf(fields, "type", "mode", "access") !== undefined;
  };
  if (entries.length > 0 && !entries.some(([, entry]) => isCredential(entry))) {
    throw new ImportError(65, path, "is no auth file of OpenClaw");
  }
  return entries.map(([provider, entry]) => ({
    id: `${provider}:default`,
    value: entry,
    provider,
    type: "oauth",
  }));
}

/** Joins the states of several documents; what an earlier one says about an id or provider stands. */
export function stateOf(...documents: readonly unknown[]): OpenclawState {
  const orders = new Map<string, readonly string[]>();
  const usage = new Map<string, JsonObject>();
  for (const document of documents.map(objectOf)) {
    for (const [provider, ids] of ordersIn(document?.order)) {
      if (!orders.has(provider)) orders.set(provider, ids);
    }
    for (const [id, entry] of Object.entries(objectOf(document?.usageStats) ?? {})) {
      const stats = objectOf(entry);
      if (stats !== undefined && !usage.has(id)) usage.set(id, stats);
    }
  }
  return { orders, usage };
}

/** Orders as they stand under `order` of a state or `auth.order` of the configuration; empty ones count as none. */
export function ordersIn(value: unknown): Orders {
  const orders = new Map<string, readonly string[]>();
  for (const [provider, ids] of Object.entries(objectOf(value) ?? {})) {
    const texts = Array.isArray(ids) ? ids.filter((id) => typeof id === "string" && id.trim() !== "") : [];
    if (texts.length > 0)
      orders.set(provider.trim().toLowerCase(), [...new Set(texts.map((id) => id.trim()))]);
  }
  return orders;
}
