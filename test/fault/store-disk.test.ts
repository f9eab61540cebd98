import { readdirSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import type { Store } from "../../src/store/store.ts";
import { FIXED_NOW, oauthGrantWith, profileWith } from "../support/arbitrary.ts";
import { openTestStore } from "../support/keys.ts";
import type { Disk } from "../support/mount.ts";
import { mountDisk } from "../support/mount.ts";

const MIB = 1024 * 1024;
const ID = profileWith().id;

const trial = await mountDisk(MIB);
await trial?.unmount();
if (trial === undefined)
  console.warn("SKIPPED: full and read-only disks, this process may not mount a tmpfs");

/** The grant that a refresh may bring: 90 KiB larger than the one before. */
function biggerGrant() {
  return oauthGrantWith({
    accessToken: new Secret(`at-FAKE-2${"x".repeat(90 * 1024)}`),
    refreshToken: new Secret("rt-FAKE-2"),
  });
}

describe.runIf(trial !== undefined)("a disk", () => {
  let disk: Disk;
  let directory: string;
  const stores: Store[] = [];

  beforeEach(async () => {
    const mounted = await mountDisk(MIB);
    if (mounted === undefined) throw new Error("mounting worked before");
    disk = mounted;
    directory = join(disk.path, "state");
  });
  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close();
    await disk.unmount();
  });

  async function open(): Promise<Store> {
    const store = await openTestStore(directory);
    stores.push(store);
    return store;
  }

  async function reopen(): Promise<Store> {
    for (const store of stores.splice(0)) await store.close();
    return open();
  }

  function record(): string {
    return readFileSync(join(directory, "profiles", "openai-codex%3awork.json"), "utf8");
  }

  it("that is full refuses a write, and the old record stays as it was", async () => {
    const store = await open();
    await store.replace(profileWith(), 0);
    const before = record();
    disk.fill();
    const full = { name: "StoreError", code: "full", mend: expect.stringContaining("free space") };
    await expect(store.replace(profileWith({ generation: 2 }), 1)).rejects.toMatchObject(full);
    await expect(store.replace(profileWith({ id: "openai-codex:b" }), 0)).rejects.toMatchObject(full);
    await expect(store.replaceProviders({ qwen: {} })).rejects.toMatchObject(full);
    await expect(store.probe()).rejects.toMatchObject(full);
    expect(record()).toBe(before);
    expect(readdirSync(join(directory, "profiles"))).toHaveLength(1);
    const { profiles } = await store.readAll(FIXED_NOW);
    expect(profiles).toEqual([{ profile: profileWith(), revision: 1 }]);
  });

  it("that was full takes the same write as soon as there is space", async () => {
    const store = await open();
    await store.replace(profileWith(), 0);
    const ballast = disk.fill();
    const next = profileWith({ generation: 2 });
    await expect(store.replace(next, 1)).rejects.toMatchObject({ code: "full" });
    rmSync(ballast);
    expect(await store.replace(next, 1)).toBe(2);
  });

  it("that fills up after a reservation still takes the next, larger grant", async () => {
    const store = await open();
    await store.replace(profileWith(), 0, { reserve: true });
    disk.fill();
    const next = profileWith({ generation: 2, grant: biggerGrant() });
    expect(await store.replace(next, 1)).toBe(2);
    const { profiles } = await (await reopen()).readAll(FIXED_NOW);
    expect(profiles).toEqual([{ profile: next, revision: 2 }]);
  });

  it("that fills up keeps the reservation through reports made meanwhile", async () => {
    const store = await open();
    const intent = {
      generation: 1,
      rotation: "strict",
      setAtMs: FIXED_NOW.wallMs,
      replay: 0,
      phase: "open",
    } as const;
    await store.replace(profileWith({ intent }), 0, { reserve: true });
    disk.fill();
    const report = store.replace(profileWith({ intent, proven: true }), 1);
    await expect(report).rejects.toMatchObject({ code: "full" });
    expect(await store.replace(profileWith({ generation: 2, grant: biggerGrant() }), 1)).toBe(2);
  });

  it("without room for the reservation refuses the write as a whole", async () => {
    const store = await open();
    await store.replace(profileWith(), 0);
    const before = record();
    disk.fill();
    const intent = store.replace(profileWith({ generation: 2 }), 1, { reserve: true });
    await expect(intent).rejects.toMatchObject({ code: "full" });
    expect(record()).toBe(before);
  });

  it("with room for only a part of the reservation does not keep that part", async () => {
    const store = await open();
    await store.replace(profileWith(), 0);
    const ballast = disk.fill();
    truncateSync(ballast, statSync(ballast).size - 32 * 1024);
    await expect(store.replace(profileWith(), 1, { reserve: true })).rejects.toMatchObject({ code: "full" });
    expect(await store.replace(profileWith({ id: "openai-codex:b" }), 0)).toBe(1);
  });

  it("that is full does not keep the broker from starting and reading", async () => {
    await (await open()).replace(profileWith(), 0);
    disk.fill();
    const { profiles } = await (await reopen()).readAll(FIXED_NOW);
    expect(profiles.map(({ profile }) => profile.id)).toEqual([ID]);
  });

  it("that turns read-only refuses writes by that name, and still lets a broker start and read", async () => {
    const store = await open();
    await store.replace(profileWith(), 0);
    await store.close();
    await disk.remount("ro");
    const again = await open();
    const refusal = { name: "StoreError", code: "read_only", mend: expect.stringContaining("read-write") };
    expect((await again.readAll(FIXED_NOW)).profiles).toHaveLength(1);
    await expect(again.replace(profileWith({ generation: 2 }), 1)).rejects.toMatchObject(refusal);
    await expect(again.remove(ID)).rejects.toMatchObject(refusal);
    await expect(again.probe()).rejects.toMatchObject(refusal);
    await expect(open()).rejects.toMatchObject({ code: "locked" });
    await disk.remount("rw");
    expect(await again.replace(profileWith({ generation: 2 }), 1)).toBe(2);
  });
});
