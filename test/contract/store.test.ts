import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { after } from "../../src/domain/time.ts";
import { fileNameOf } from "../../src/store/file-name.ts";
import type { Store } from "../../src/store/store.ts";
import { FIXED_NOW, oauthGrantWith, profileWith } from "../support/arbitrary.ts";
import { openTestStore } from "../support/keys.ts";
import { MemoryStore } from "../support/memory-store.ts";

/** One place that outlives the store objects opened on it, one at a time. */
interface Medium {
  open(): Promise<Store>;
  /** Makes the record of this profile unreadable. Only while no store is open. */
  damage(profileId: string): Promise<void>;
  dispose(): Promise<void>;
}

const media: Record<string, () => Promise<Medium>> = {
  async memory() {
    let last = new MemoryStore();
    return {
      open: async () => {
        last = last.reopen();
        return last;
      },
      damage: async (profileId) => last.damage(profileId),
      dispose: async () => {},
    };
  },
  async lowdb() {
    const scratch = await mkdtemp(join(tmpdir(), "store-"));
    const directory = join(scratch, "state");
    return {
      open: () => openTestStore(directory),
      damage: (profileId) => writeFile(join(directory, "profiles", fileNameOf(profileId)), "{"),
      dispose: () => rm(scratch, { recursive: true }),
    };
  },
};

describe.each(Object.keys(media))("the %s store", (kind) => {
  const made: { medium?: Medium; stores: Store[] } = { stores: [] };

  async function openNew(): Promise<Store> {
    const start = media[kind];
    if (start === undefined) throw new Error(kind);
    made.medium = await start();
    return reopen();
  }

  async function reopen(): Promise<Store> {
    for (const store of made.stores.splice(0)) await store.close();
    const store = await made.medium?.open();
    if (store === undefined) throw new Error("nothing was opened before");
    made.stores.push(store);
    return store;
  }

  /** Closes, damages the record and opens again. */
  async function reopenDamaged(profileId: string): Promise<Store> {
    for (const store of made.stores.splice(0)) await store.close();
    await made.medium?.damage(profileId);
    return reopen();
  }

  async function ids(store: Store): Promise<string[]> {
    return (await store.readAll(FIXED_NOW)).profiles.map(({ profile }) => profile.id).sort();
  }

  afterEach(async () => {
    for (const store of made.stores.splice(0)) await store.close();
    await made.medium?.dispose();
    delete made.medium;
  });

  it("names its kind", async () => {
    expect((await openNew()).kind).toBe(kind);
  });

  it("is empty at first", async () => {
    const store = await openNew();
    expect(await store.readAll(FIXED_NOW)).toEqual({ profiles: [], corrupt: [], providers: {} });
  });

  it("gives back what was written, also after it was opened again", async () => {
    const profile = profileWith({ attributes: { project: "p1" }, pools: ["work"] });
    expect(await (await openNew()).replace(profile, 0)).toBe(1);
    const { profiles } = await (await reopen()).readAll(FIXED_NOW);
    expect(profiles).toEqual([{ profile, revision: 1 }]);
    const { grant } = profiles[0]?.profile ?? {};
    expect(grant?.kind === "oauth" && grant.refreshToken?.reveal()).toBe("rt-FAKE-1");
  });

  it("raises the revision by one with every write, across restarts", async () => {
    const store = await openNew();
    expect(await store.replace(profileWith(), 0)).toBe(1);
    expect(await store.replace(profileWith({ generation: 2 }), 1)).toBe(2);
    const again = await reopen();
    expect(await again.replace(profileWith({ generation: 3 }), 2)).toBe(3);
  });

  it("refuses a write that was computed from another revision, and keeps what it has", async () => {
    const store = await openNew();
    await store.replace(profileWith(), 0);
    for (const revision of [0, 2]) {
      const late = store.replace(profileWith({ generation: 9 }), revision);
      await expect(late).rejects.toMatchObject({ name: "StoreError", code: "conflict" });
    }
    const { profiles } = await store.readAll(FIXED_NOW);
    expect(profiles).toEqual([{ profile: profileWith(), revision: 1 }]);
  });

  it("compares with what an earlier process wrote, without being read first", async () => {
    await (await openNew()).replace(profileWith(), 0);
    const store = await reopen();
    await expect(store.replace(profileWith(), 0)).rejects.toMatchObject({ code: "conflict" });
    expect(await store.replace(profileWith({ generation: 2 }), 1)).toBe(2);
  });

  it("lets one of two simultaneous writers win", async () => {
    const store = await openNew();
    const results = await Promise.allSettled([
      store.replace(profileWith({ generation: 1 }), 0),
      store.replace(profileWith({ generation: 2 }), 0),
    ]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    const { profiles } = await store.readAll(FIXED_NOW);
    expect(profiles.map(({ profile }) => profile.generation)).toEqual([1]);
  });

  it("runs the writes of one profile in the order in which they were asked for", async () => {
    const store = await openNew();
    const asked = [0, 1, 2, 3].map((n) => store.replace(profileWith({ generation: n + 1 }), n));
    expect(await Promise.all(asked)).toEqual([1, 2, 3, 4]);
    const { profiles } = await (await reopen()).readAll(FIXED_NOW);
    expect(profiles.map(({ profile }) => profile.generation)).toEqual([4]);
  });

  it("keeps ids apart that differ in case, accents or odd characters only", async () => {
    const odd = [
      "p:a",
      "p:A",
      "p:\u00e9",
      "p:e\u0301",
      "p:..",
      "p:a/b",
      "p:a%2fb",
      "p:con",
      `p:${"x".repeat(400)}`,
    ];
    const store = await openNew();
    await Promise.all(odd.map((id) => store.replace(profileWith({ id }), 0)));
    expect(await ids(await reopen())).toEqual([...odd].sort());
  });

  it("removes a profile for good", async () => {
    const store = await openNew();
    await store.replace(profileWith(), 0, { reserve: true });
    await store.remove(profileWith().id);
    expect(await ids(store)).toEqual([]);
    expect(await ids(await reopen())).toEqual([]);
  });

  it("takes the removal of an absent profile for done", async () => {
    await expect((await openNew()).remove("openai-codex:nobody")).resolves.toBeUndefined();
  });

  it("begins at revision 0 again after a removal", async () => {
    const store = await openNew();
    await store.replace(profileWith(), 0);
    await store.remove(profileWith().id);
    expect(await store.replace(profileWith(), 0)).toBe(1);
  });

  it("replaces again after a write with reserve", async () => {
    const store = await openNew();
    await store.replace(profileWith(), 0, { reserve: true });
    await store.replace(profileWith({ generation: 2 }), 1, { reserve: true });
    const grant = oauthGrantWith({ accessToken: new Secret("at-FAKE-2".repeat(1000)) });
    await store.replace(profileWith({ generation: 3, grant }), 2);
    const { profiles } = await (await reopen()).readAll(FIXED_NOW);
    expect(profiles).toEqual([{ profile: profileWith({ generation: 3, grant }), revision: 3 }]);
  });

  it("keeps a usage history beside the profile, whose record it leaves alone, and removes it with it", async () => {
    const { id } = profileWith();
    const samples = [
      { name: "primary", atMs: 1_800_000_000_000, usedPercent: 12.5 },
      { name: "7d_opus", atMs: 1_800_000_060_000, usedPercent: 108 },
      { name: "primary", atMs: 1_800_003_600_000, usedPercent: 40 },
    ];
    const store = await openNew();
    expect(await store.readUsage(id)).toBeUndefined();
    await store.replace(profileWith(), 0);
    await store.replaceUsage(id, { accountEpoch: "epoch-1", samples: [] });
    await store.replaceUsage(id, { accountEpoch: "epoch-1", samples });
    const again = await reopen();
    expect(await again.readUsage(id)).toEqual({ accountEpoch: "epoch-1", samples });
    expect((await again.readAll(FIXED_NOW)).profiles).toEqual([{ profile: profileWith(), revision: 1 }]);
    await again.remove(id);
    expect(await again.readUsage(id)).toBeUndefined();
    expect(await (await reopen()).readUsage(id)).toBeUndefined();
  });

  it("keeps what belongs to providers", async () => {
    const providers = {
      "openai-codex": { order: ["openai-codex:b", "openai-codex:a"] },
      anthropic: { ban: { profile: "anthropic:x", setAtMs: FIXED_NOW.wallMs } },
    };
    const store = await openNew();
    await store.replaceProviders({ qwen: {} });
    await store.replaceProviders(providers);
    expect((await store.readAll(FIXED_NOW)).providers).toEqual(providers);
    expect((await (await reopen()).readAll(FIXED_NOW)).providers).toEqual(providers);
  });

  it("lets no wait last longer than its own length when the wall clock was set back meanwhile", async () => {
    const cooldown = {
      model: "",
      outcome: "RATE_LIMIT",
      source: "GUESS",
      setAtMs: FIXED_NOW.wallMs,
      until: after(FIXED_NOW, 30_000),
      halfOpen: false,
    } as const;
    await (await openNew()).replace(profileWith({ cooldowns: [cooldown] }), 0);
    const yesterday = { wallMs: FIXED_NOW.wallMs - 86_400_000, monoMs: 5_000 };
    const { profiles } = await (await reopen()).readAll(yesterday);
    expect(profiles[0]?.profile.cooldowns[0]?.until.monoMs).toBe(35_000);
  });

  it("serves the others when one record cannot be read, and lists it", async () => {
    const store = await openNew();
    await store.replace(profileWith({ id: "openai-codex:good" }), 0);
    await store.replace(profileWith({ id: "openai-codex:bad" }), 0);
    const { profiles, corrupt } = await (await reopenDamaged("openai-codex:bad")).readAll(FIXED_NOW);
    expect(profiles.map(({ profile }) => profile.id)).toEqual(["openai-codex:good"]);
    expect(corrupt).toMatchObject([{ profile: "openai-codex:bad", cause: "it is not whole JSON text" }]);
  });

  it("neither overwrites nor removes an unreadable record", async () => {
    await (await openNew()).replace(profileWith(), 0);
    const store = await reopenDamaged(profileWith().id);
    for (const revision of [0, 1]) {
      await expect(store.replace(profileWith(), revision)).rejects.toMatchObject({ code: "unreadable" });
    }
    await expect(store.remove(profileWith().id)).rejects.toMatchObject({ code: "unreadable" });
    expect((await store.readAll(FIXED_NOW)).corrupt).toHaveLength(1);
  });

  it("takes a new record once the unreadable one is set aside", async () => {
    await (await openNew()).replace(profileWith(), 0);
    const store = await reopenDamaged(profileWith().id);
    await store.setAside(profileWith().id);
    expect(await store.replace(profileWith({ generation: 5 }), 0)).toBe(1);
    const { profiles, corrupt } = await (await reopen()).readAll(FIXED_NOW);
    expect(corrupt).toEqual([]);
    expect(profiles.map(({ profile }) => profile.generation)).toEqual([5]);
  });

  it("leaves a readable or absent record alone when asked to set it aside", async () => {
    const store = await openNew();
    await store.replace(profileWith(), 0);
    await store.setAside(profileWith().id);
    await store.setAside("openai-codex:nobody");
    expect(await ids(await reopen())).toEqual([profileWith().id]);
  });

  it("can be probed", async () => {
    await expect((await openNew()).probe()).resolves.toBeUndefined();
  });

  it("finishes what was asked before it was closed, and refuses what comes after", async () => {
    const store = await openNew();
    const order: string[] = [];
    const written = store.replace(profileWith(), 0).then(() => order.push("written"));
    const closed = store.close().then(() => order.push("closed"));
    await expect(store.replace(profileWith({ generation: 2 }), 1)).rejects.toMatchObject({ code: "io" });
    await Promise.all([written, closed]);
    expect(order).toEqual(["written", "closed"]);
    expect(await ids(await reopen())).toEqual([profileWith().id]);
  });

  it("locked, neither reads nor writes nor calls a record corrupt; unlocked, has what was there", async () => {
    const store = await openNew();
    await store.replace(profileWith(), 0);
    await store.replaceProviders({ qwen: { order: [] } });
    await store.lock();
    await expect(store.readAll(FIXED_NOW)).rejects.toMatchObject({ code: "io", mend: "auth-broker unlock" });
    await expect(store.replace(profileWith({ generation: 2 }), 1)).rejects.toMatchObject({ code: "io" });
    await expect(store.remove(profileWith().id)).rejects.toMatchObject({ code: "io" });
    await store.unlock();
    const { profiles, corrupt, providers } = await store.readAll(FIXED_NOW);
    expect(profiles).toEqual([{ profile: profileWith(), revision: 1 }]);
    expect(corrupt).toEqual([]);
    expect(providers).toEqual({ qwen: { order: [] } });
    expect(await store.replace(profileWith({ generation: 2 }), 1)).toBe(2);
  });

  it("shows no secret when it is printed", async () => {
    const store = await openNew();
    await store.replace(profileWith(), 0);
    const { inspect } = await import("node:util");
    expect(inspect(store, { depth: 20, showHidden: true })).not.toContain("FAKE");
    expect(JSON.stringify(await store.readAll(FIXED_NOW))).not.toContain("FAKE");
  });
});
