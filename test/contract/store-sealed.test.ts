import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Profile } from "../../src/domain/profile.ts";
import type { KeySource } from "../../src/store/key-source.ts";
import type { LowdbStore } from "../../src/store/lowdb.ts";
import { rotateKey } from "../../src/store/rotation.ts";
import { Seal } from "../../src/store/seal.ts";
import { StoreError } from "../../src/store/store.ts";
import { FIXED_NOW, oauthGrantWith, profileWith } from "../support/arbitrary.ts";
import { keysFrom, memoryKey, openTestStore, TEST_KEY } from "../support/keys.ts";
import { writePlainState } from "../support/plain-state.ts";

const WORK = profileWith();
const HOME = profileWith({ id: "openai-codex:home" });
const OTHER_KEY = new Uint8Array(32).fill(9);

let scratch: string;
let directory: string;
const stores: LowdbStore[] = [];

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), "store-"));
  directory = join(scratch, "state");
});
afterEach(async () => {
  await close();
  rmSync(scratch, { recursive: true });
});

async function close(): Promise<void> {
  for (const store of stores.splice(0)) await store.close();
}

type Options = Parameters<typeof openTestStore>[1];

async function open(options: Options = {}): Promise<LowdbStore> {
  const store = await openTestStore(directory, options);
  stores.push(store);
  return store;
}

async function reopen(options: Options = {}): Promise<LowdbStore> {
  await close();
  return open(options);
}

/** A closed store with two profiles, sealed with `TEST_KEY`. */
async function two(options: Options = {}): Promise<void> {
  const store = await open(options);
  await store.replace(WORK, 0);
  await store.replace(HOME, 0);
  await store.replaceProviders({ "openai-codex": { order: [WORK.id] } });
  await close();
}

function pathOf(id: string): string {
  return join(directory, "profiles", `${id.replace(":", "%3a")}.json`);
}

/** Every file with its content, but for the lock, which tells who looked last. */
function everything(): Record<string, string> {
  const files = readdirSync(scratch, { recursive: true, withFileTypes: true }).filter((f) => f.isFile());
  const paths = files.map((f) => join(f.parentPath, f.name)).filter((path) => !path.endsWith("/lock"));
  return Object.fromEntries(paths.map((path) => [path, readFileSync(path, "latin1")]));
}

async function generations(store: LowdbStore): Promise<unknown> {
  const { profiles, corrupt } = await store.readAll(FIXED_NOW);
  expect(corrupt).toEqual([]);
  return Object.fromEntries(profiles.map(({ profile }) => [profile.id, profile.generation]));
}

describe("the key", () => {
  it("is made once and kept in its place; what is sealed tells nothing without it", async () => {
    const source = memoryKey();
    await two({ keys: keysFrom(source) });
    expect(source.key).toHaveLength(32);
    expect(Object.values(everything()).join("\n")).not.toMatch(/FAKE|acct|strict/);
    expect(await generations(await open({ keys: keysFrom(source) }))).toEqual({ [WORK.id]: 1, [HOME.id]: 1 });
  });

  it.each([
    ["missing", () => memoryKey(undefined)],
    ["another one", () => memoryKey(OTHER_KEY)],
    [
      "not to be told, as of a locked keyring",
      (): KeySource => ({
        ...memoryKey(),
        read: () =>
          Promise.reject(new StoreError("unreadable", "keyring", "the keyring is locked", "unlock it")),
      }),
    ],
  ])("that is %s is an error: no new one is made and nothing is changed", async (_what, make) => {
    await two();
    const before = everything();
    const made: Uint8Array[] = [];
    const source: KeySource = { ...make(), write: async (key) => void made.push(key) };
    await expect(open({ keys: keysFrom(source) })).rejects.toMatchObject({
      name: "StoreError",
      code: "unreadable",
    });
    expect(made).toEqual([]);
    expect(everything()).toEqual(before);
    expect(await generations(await open())).toEqual({ [WORK.id]: 1, [HOME.id]: 1 });
  });

  it("that is missing is not made anew where no record is left either", async () => {
    await open();
    await close();
    const before = everything();
    const source = memoryKey();
    await expect(open({ keys: keysFrom(source) })).rejects.toMatchObject({
      message: expect.stringContaining("is not there"),
    });
    expect(source.key).toBeUndefined();
    expect(everything()).toEqual(before);
  });

  it("that cannot be had at the first start is made nowhere else, and nothing is written", async () => {
    const refused = new StoreError("unreadable", "keyring", "the keyring is locked", "unlock it");
    const keyring: KeySource = {
      ...memoryKey(undefined, "keyring"),
      read: () => Promise.reject(refused),
      write: () => Promise.reject(refused),
    };
    const file = memoryKey();
    await expect(open({ keys: keysFrom(keyring, file) })).rejects.toBe(refused);
    expect(file.key).toBeUndefined();
    expect(everything()).toEqual({});
  });

  it("that its place took and did not keep is an error before anything is sealed with it", async () => {
    const forgetful: KeySource = { ...memoryKey(), read: async () => undefined };
    await expect(open({ keys: keysFrom(forgetful) })).rejects.toMatchObject({
      message: "it took the key and did not keep it",
    });
    expect(everything()).toEqual({});
    const source = memoryKey(TEST_KEY);
    await two({ keys: keysFrom(source) });
    const before = everything();
    const keyring: KeySource = { ...forgetful, kind: "keyring" };
    await expect(rotateKey(directory, keysFrom(keyring, source))).rejects.toMatchObject({
      message: "it took the key and did not keep it",
    });
    expect(source.key).toBe(TEST_KEY);
    expect(everything()).toEqual(before);
  });

  it("is written once: neither grants nor starts touch its place again", async () => {
    const source = memoryKey();
    let writes = 0;
    const counted: KeySource = {
      ...source,
      read: source.read,
      write: async (key, install) => {
        writes += 1;
        await source.write?.(key, install);
      },
    };
    const store = await open({ keys: keysFrom(counted) });
    await store.replace(WORK, 0);
    for (const generation of [2, 3]) await store.replace(profileWith({ generation }), generation - 1);
    expect(await generations(await reopen({ keys: keysFrom(counted) }))).toEqual({ [WORK.id]: 3 });
    expect(writes).toBe(1);
  });

  it("is not looked for anywhere else than where it was chosen to be", async () => {
    await two();
    const before = everything();
    const keyring = memoryKey(TEST_KEY, "keyring");
    await expect(open({ keys: keysFrom(keyring, memoryKey(TEST_KEY)) })).rejects.toMatchObject({
      code: "other_source",
      mend: expect.stringContaining("auth-broker key rotate"),
    });
    expect(everything()).toEqual(before);
  });

  it("opens nothing without the file that says how the records are sealed, which is never made anew", async () => {
    await two();
    rmSync(join(directory, "seal.json"));
    const before = everything();
    await expect(open()).rejects.toMatchObject({ code: "unreadable", message: "the file is gone" });
    expect(everything()).toEqual(before);
  });
});

describe("sealed records", () => {
  it("that are swapped, or come from another installation or generation, stop their profiles only", async () => {
    await two();
    const store = await open();
    await store.replace(profileWith({ id: "openai-codex:third" }), 0);
    await close();
    const [work, home] = [readFileSync(pathOf(WORK.id)), readFileSync(pathOf(HOME.id))];
    writeFileSync(pathOf(WORK.id), home);
    writeFileSync(pathOf(HOME.id), work);
    const { profiles, corrupt } = await (await open()).readAll(FIXED_NOW);
    expect(profiles.map(({ profile }) => profile.id)).toEqual(["openai-codex:third"]);
    expect(corrupt.map(({ profile }) => profile).sort()).toEqual([HOME.id, WORK.id]);
    expect(readFileSync(pathOf(WORK.id)).equals(home)).toBe(true);
    await close();
    const edited = JSON.parse(work.toString());
    writeFileSync(pathOf(WORK.id), JSON.stringify({ ...edited, generation: 2 }));
    writeFileSync(pathOf(HOME.id), home);
    expect((await (await open()).readAll(FIXED_NOW)).corrupt.map(({ profile }) => profile)).toEqual([
      WORK.id,
    ]);
  });

  it("of another installation with the same key do not open here", async () => {
    await two();
    const foreign = readFileSync(pathOf(WORK.id));
    directory = join(scratch, "second");
    await two();
    writeFileSync(pathOf(WORK.id), foreign);
    expect((await (await open()).readAll(FIXED_NOW)).corrupt).toMatchObject([{ profile: WORK.id }]);
  });

  it("that do not open can be set aside, and a new one takes the place", async () => {
    await two();
    cpSync(pathOf(HOME.id), pathOf(WORK.id));
    const store = await open();
    await store.readAll(FIXED_NOW);
    await store.setAside(WORK.id);
    expect(await store.replace(profileWith({ generation: 3 }), 0)).toBe(1);
    expect(await generations(await reopen())).toEqual({ [WORK.id]: 3, [HOME.id]: 1 });
  });
});

describe("a directory of an earlier version", () => {
  function former(...more: readonly Profile[]): void {
    writePlainState(directory, [WORK, ...more], { revision: 4 });
  }

  it("opens with everything that is in it, and is sealed at once", async () => {
    former();
    const store = await open();
    expect(Object.values(everything()).join("\n")).not.toMatch(/FAKE|order/);
    const { profiles, providers } = await store.readAll(FIXED_NOW);
    expect(profiles).toEqual([{ profile: WORK, revision: 4 }]);
    expect(providers).toEqual({ "openai-codex": { order: [WORK.id] } });
    expect(await store.replace(profileWith({ generation: 2 }), 4)).toBe(5);
  });

  it("uses the key file that is there already", async () => {
    former();
    const source = memoryKey(OTHER_KEY);
    await open({ keys: keysFrom(source) });
    expect(source.key).toBe(OTHER_KEY);
  });

  it("tells how far it is: at the begin, once a second, and at the end", async () => {
    former(HOME, profileWith({ id: "openai-codex:third" }));
    const told: string[] = [];
    let looks = 0;
    const everyLookLater = () => {
      looks += 1;
      return { wallMs: FIXED_NOW.wallMs, monoMs: FIXED_NOW.monoMs + 400 * looks };
    };
    await open({ now: everyLookLater, progress: (message) => told.push(message) });
    const what = "sealing what an earlier version left in the clear";
    expect(told).toEqual([`${what}: 0 of 4 files`, `${what}: 3 of 4 files`, `${what}: 4 of 4 files`]);
    await reopen({ progress: (message) => told.push(message) });
    expect(told).toHaveLength(3);
  });

  it("hands out no record that lies in the place of another profile's, also once that is sealed", async () => {
    former(HOME);
    renameSync(pathOf(HOME.id), pathOf("openai-codex:elsewhere"));
    for (const start of [open, reopen]) {
      const { profiles, corrupt } = await (await start()).readAll(FIXED_NOW);
      expect(profiles.map(({ profile }) => profile.id)).toEqual([WORK.id]);
      expect(corrupt).toMatchObject([{ cause: "it holds the record of another profile" }]);
    }
  });

  it("once sealed, takes no record in the clear any more", async () => {
    former();
    const clear = readFileSync(pathOf(WORK.id));
    await open();
    await close();
    writeFileSync(pathOf(WORK.id), clear);
    const { profiles, corrupt } = await (await open()).readAll(FIXED_NOW);
    expect(profiles).toEqual([]);
    expect(corrupt).toMatchObject([{ cause: "it is not sealed, although every record here was" }]);
  });

  it("tells by name what cannot be read and so stays in the clear", async () => {
    former();
    writeFileSync(pathOf(HOME.id), '{"format":1,"seal":{"algorithm":"none"},"rev');
    const warnings: string[] = [];
    const store = await open({ warn: (message) => warnings.push(message) });
    expect(warnings).toEqual([expect.stringContaining("openai-codex%3ahome.json")]);
    expect((await store.readAll(FIXED_NOW)).profiles).toHaveLength(1);
  });
});

describe("a restored older copy", () => {
  const second = profileWith({ generation: 2, grant: oauthGrantWith() });

  async function restored(): Promise<void> {
    await two();
    const old = readFileSync(pathOf(WORK.id));
    const store = await open();
    await store.replace(second, 1);
    await close();
    writeFileSync(pathOf(WORK.id), old);
  }

  it("is told from the newest", async () => {
    await restored();
    const { profiles } = await (await open()).readAll(FIXED_NOW);
    expect(profiles.map(({ profile, older }) => [profile.id, older])).toEqual([
      [HOME.id, undefined],
      [WORK.id, true],
    ]);
  });

  it("is told from before a token is sent: the counter is on the disk when the intent is", async () => {
    await two();
    const store = await open();
    const intent = { generation: 1, rotation: "strict", setAtMs: 5, replay: 0, phase: "open" } as const;
    await store.replace(profileWith({ intent }), 1);
    expect(JSON.parse(readFileSync(`${directory}.counters`, "utf8")).profiles[WORK.id]).toBe(2);
  });

  it("is told once: what is written on top of it is the newest", async () => {
    await restored();
    await (await open()).replace(profileWith({ restored: true }), 1);
    const { profiles } = await (await reopen()).readAll(FIXED_NOW);
    expect(profiles.map(({ older }) => older)).toEqual([undefined, undefined]);
  });

  it("is not suspected of a record that differs in no token", async () => {
    await two();
    const old = readFileSync(pathOf(WORK.id));
    const store = await open();
    const [stored] = (await store.readAll(FIXED_NOW)).profiles.filter(
      ({ profile }) => profile.id === WORK.id,
    );
    if (stored === undefined) throw new Error("it is gone");
    await store.replace({ ...stored.profile, enabled: false }, 1);
    await close();
    writeFileSync(pathOf(WORK.id), old);
    expect((await (await open()).readAll(FIXED_NOW)).profiles.map(({ older }) => older)).toEqual([
      undefined,
      undefined,
    ]);
  });

  it("is not suspected of a profile that was removed and made anew", async () => {
    const store = await open();
    await store.replace(WORK, 0);
    await store.replace(second, 1);
    await store.remove(WORK.id);
    await store.replace(WORK, 0);
    const { profiles } = await (await reopen()).readAll(FIXED_NOW);
    expect(profiles).toEqual([{ profile: WORK, revision: 1 }]);
  });

  it("goes unnoticed without the counters, and nothing else fails; that is told", async () => {
    const warnings: string[] = [];
    const countersFile = join(scratch, "nowhere", "counters");
    writeFileSync(join(scratch, "nowhere"), "");
    const store = await open({ countersFile, warn: (message) => warnings.push(message) });
    expect(await store.replace(WORK, 0)).toBe(1);
    expect(await store.replace(second, 1)).toBe(2);
    expect(warnings).toEqual([expect.stringContaining(countersFile)]);
  });

  it("has its counters outside of every copy of the directory", async () => {
    await two();
    expect(existsSync(`${directory}.counters`)).toBe(true);
    expect(readFileSync(`${directory}.counters`, "utf8")).toContain(WORK.id);
  });
});

describe("a rotation", () => {
  it("seals everything with a new key; the old one opens nothing any more", async () => {
    const source = memoryKey(TEST_KEY);
    await two({ keys: keysFrom(source) });
    const { key, unreadable } = await rotateKey(directory, keysFrom(source));
    expect(unreadable).toEqual([]);
    expect(source.key).not.toEqual(TEST_KEY);
    const text = Object.values(everything()).join("\n");
    const old = new Seal(TEST_KEY, JSON.parse(readFileSync(join(directory, "seal.json"), "utf8")).install);
    expect(text).toContain(key);
    expect(text).not.toContain(old.id);
    await expect(open()).rejects.toMatchObject({ code: "unreadable" });
    expect(await generations(await open({ keys: keysFrom(source) }))).toEqual({ [WORK.id]: 1, [HOME.id]: 1 });
  });

  it("moves the key to another place and leaves none behind", async () => {
    const [file, keyring] = [memoryKey(TEST_KEY), memoryKey(undefined, "keyring")];
    await two({ keys: keysFrom(file) });
    const { source } = await rotateKey(directory, keysFrom(keyring, file));
    expect(source).toBe("keyring");
    expect(file.key).toBeUndefined();
    expect(keyring.key).toHaveLength(32);
    expect(await generations(await open({ keys: keysFrom(keyring) }))).toEqual({
      [WORK.id]: 1,
      [HOME.id]: 1,
    });
  });

  it("takes the key that a program gives, and the former one from its recovery code", async () => {
    const command = (key: Uint8Array): KeySource => ({
      kind: "command",
      place: "program",
      read: async () => key,
    });
    await two();
    const first = await rotateKey(directory, keysFrom(command(OTHER_KEY), memoryKey(TEST_KEY)));
    expect(first.source).toBe("command");
    await expect(rotateKey(directory, keysFrom(command(OTHER_KEY)))).rejects.toMatchObject({
      message: "it still gives the key in use",
    });
    const changed = keysFrom(command(TEST_KEY));
    await expect(rotateKey(directory, changed)).rejects.toMatchObject({
      message: expect.stringContaining("another key"),
    });
    await rotateKey(directory, changed, OTHER_KEY);
    expect(await generations(await open({ keys: changed }))).toEqual({ [WORK.id]: 1, [HOME.id]: 1 });
  });

  it("leaves a record that does not open as it is, and names it", async () => {
    const source = memoryKey(TEST_KEY);
    await two({ keys: keysFrom(source) });
    writeFileSync(pathOf(HOME.id), "{");
    const { unreadable } = await rotateKey(directory, keysFrom(source));
    expect(unreadable).toEqual(["profiles/openai-codex%3ahome.json"]);
    expect(readFileSync(pathOf(HOME.id), "latin1")).toBe("{");
  });

  it("keeps the former key while a file is out of reach, and goes on when it is back", async () => {
    const source = memoryKey(TEST_KEY);
    await two({ keys: keysFrom(source) });
    const away = join(scratch, "away.json");
    renameSync(pathOf(HOME.id), away);
    mkdirSync(pathOf(HOME.id));
    await expect(rotateKey(directory, keysFrom(source))).rejects.toMatchObject({ code: "unreadable" });
    expect(source.key).toEqual(TEST_KEY);
    rmdirSync(pathOf(HOME.id));
    renameSync(away, pathOf(HOME.id));
    expect(await generations(await open({ keys: keysFrom(source) }))).toEqual({ [WORK.id]: 1, [HOME.id]: 1 });
    expect(source.key).not.toEqual(TEST_KEY);
  });

  it("that could not put the new key in its place goes on with the next start, or the next rotation", async () => {
    const source = memoryKey(TEST_KEY);
    await two({ keys: keysFrom(source) });
    const full = new StoreError("full", "key", "the disk is full", "free space");
    const broken: KeySource = { ...source, read: source.read, write: () => Promise.reject(full) };
    await expect(rotateKey(directory, keysFrom(broken))).rejects.toBe(full);
    const warnings: string[] = [];
    const store = await open({ keys: keysFrom(broken), warn: (message) => warnings.push(message) });
    expect(warnings).toEqual([expect.stringContaining("the key is not rotated yet")]);
    expect(await generations(store)).toEqual({ [WORK.id]: 1, [HOME.id]: 1 });
    await store.replace(profileWith({ generation: 2 }), 1);
    expect(await generations(await reopen({ keys: keysFrom(source) }))).toEqual({
      [WORK.id]: 2,
      [HOME.id]: 1,
    });
    expect(source.key).not.toEqual(TEST_KEY);
    expect(JSON.parse(readFileSync(join(directory, "seal.json"), "utf8"))).not.toHaveProperty("next");
  });
});
