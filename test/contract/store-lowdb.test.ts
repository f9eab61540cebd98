import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Store } from "../../src/store/store.ts";
import { FIXED_NOW, profileWith } from "../support/arbitrary.ts";
import { openTestStore } from "../support/keys.ts";

const WORK = "openai-codex%3awork.json";

let directory: string;
let profiles: string;
const stores: Store[] = [];

beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), "store-")), "state");
  profiles = join(directory, "profiles");
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  rmSync(join(directory, ".."), { recursive: true });
});

async function open(warn: (message: string) => void = () => {}): Promise<Store> {
  const store = await openTestStore(directory, { warn });
  stores.push(store);
  return store;
}

function mode(...path: string[]): string {
  return (statSync(join(directory, ...path)).mode & 0o777).toString(8);
}

describe("the files of the lowdb store", () => {
  it("are one document a profile, one for all providers, and the lock", async () => {
    const store = await open();
    await store.replace(profileWith(), 0);
    await store.replaceProviders({ qwen: {} });
    expect(readdirSync(directory).sort()).toEqual(["lock", "profiles", "providers.json", "seal.json"]);
    expect(readdirSync(profiles)).toEqual([WORK]);
    expect(JSON.parse(readFileSync(join(profiles, WORK), "utf8"))).toMatchObject({
      format: 2,
      seal: { algorithm: "A256GCM" },
      generation: 1,
      revision: 1,
    });
    expect(JSON.parse(readFileSync(join(directory, "providers.json"), "utf8"))).toMatchObject({
      format: 2,
      seal: { algorithm: "A256GCM" },
      generation: 0,
      revision: 1,
    });
  });

  it.runIf(process.platform !== "win32")("are open to their owner only", async () => {
    const store = await open();
    await store.replace(profileWith(), 0, { reserve: true });
    await store.replaceProviders({});
    expect([mode(), mode("profiles")]).toEqual(["700", "700"]);
    const files = [
      ["lock"],
      ["seal.json"],
      ["providers.json"],
      ["profiles", WORK],
      ["profiles", `${WORK}.spare`],
    ];
    expect(files.map((path) => mode(...path))).toEqual(["600", "600", "600", "600", "600"]);
    await store.close();
    expect(mode("..", "state.counters")).toBe("600");
  });

  it.runIf(process.platform !== "win32")("are closed to others at the start, which is reported", async () => {
    await (await open()).close();
    chmodSync(directory, 0o755);
    const warnings: string[] = [];
    await open((message) => warnings.push(message));
    expect(mode()).toBe("700");
    expect(warnings).toEqual([expect.stringContaining(directory)]);
  });

  it("do not include what an interrupted process left, after the next start", async () => {
    const first = await open();
    await first.replace(profileWith(), 0, { reserve: true });
    await first.close();
    const kept = [WORK, `${WORK}.corrupt-20260101T000000000Z`, "notes.txt"];
    for (const name of [...kept.slice(1), `${WORK}.0123456789ab.tmp`])
      writeFileSync(join(profiles, name), "");
    writeFileSync(join(directory, "providers.json.0123456789ab.tmp"), "");
    await open();
    expect(readdirSync(profiles).sort()).toEqual(kept.sort());
    expect(readdirSync(directory).sort()).toEqual(["lock", "profiles", "seal.json"]);
  });

  it("keep room for the next record and 96 KiB of tokens more when that is asked for", async () => {
    const store = await open();
    await store.replace(profileWith(), 0, { reserve: true });
    const record = statSync(join(profiles, WORK)).size;
    expect(statSync(join(profiles, `${WORK}.spare`)).size).toBe(record + 128 * 1024);
    await store.replace(profileWith({ generation: 2 }), 1);
    expect(readdirSync(profiles)).toEqual([WORK]);
  });
});

describe("damage in the lowdb store", () => {
  /** Two profiles, of which `work` gets this content, or what `damage` does to its file. */
  async function damaged(damage: (path: string) => void): Promise<Store> {
    const before = await open();
    await before.replace(profileWith(), 0);
    await before.replace(profileWith({ id: "openai-codex:other" }), 0);
    await before.close();
    damage(join(profiles, WORK));
    return open();
  }

  it("a record cut off at any byte stops that profile only, and is left as it is", async () => {
    const store = await damaged(() => {});
    const path = join(profiles, WORK);
    const whole = readFileSync(path);
    for (let length = 0; length < whole.length; length++) {
      writeFileSync(path, whole.subarray(0, length));
      const contents = await store.readAll(FIXED_NOW);
      expect(contents.profiles.map(({ profile }) => profile.id)).toEqual(["openai-codex:other"]);
      expect(contents.corrupt).toMatchObject([{ profile: "openai-codex:work", path }]);
      await expect(store.replace(profileWith(), 1)).rejects.toMatchObject({ code: "unreadable", path });
      expect(readFileSync(path).equals(whole.subarray(0, length))).toBe(true);
    }
    writeFileSync(path, whole);
    expect((await store.readAll(FIXED_NOW)).corrupt).toEqual([]);
    expect(await store.replace(profileWith(), 1)).toBe(2);
  });

  it("a directory in the place of a record stops that profile only", async () => {
    const store = await damaged((path) => {
      rmSync(path);
      mkdirSync(path);
    });
    const { profiles: served, corrupt } = await store.readAll(FIXED_NOW);
    expect(served).toHaveLength(1);
    expect(corrupt).toMatchObject([
      { profile: "openai-codex:work", cause: "there is something that is no file" },
    ]);
    await store.setAside("openai-codex:work");
    expect(await store.replace(profileWith(), 0)).toBe(1);
  });

  it("a record under the name of another profile is not taken for that one", async () => {
    const store = await damaged((path) => cpSync(join(profiles, "openai-codex%3aother.json"), path));
    const { profiles: served, corrupt } = await store.readAll(FIXED_NOW);
    expect(served.map(({ profile }) => profile.id)).toEqual(["openai-codex:other"]);
    expect(corrupt).toMatchObject([{ cause: expect.stringContaining("its seal does not open") }]);
  });

  it("a record that is set aside keeps its content under another name, however often", async () => {
    let store = await damaged((path) => writeFileSync(path, "first"));
    await store.setAside("openai-codex:work");
    await store.close();
    writeFileSync(join(profiles, WORK), "second");
    store = await open();
    await store.setAside("openai-codex:work");
    const aside = readdirSync(profiles).filter((name) => name.includes(".corrupt-"));
    expect(aside.sort()).toEqual([
      `${WORK}.corrupt-20270115T080000000Z`,
      `${WORK}.corrupt-20270115T080000000Z-2`,
    ]);
    expect(aside.map((name) => readFileSync(join(profiles, name), "latin1"))).toEqual(["first", "second"]);
  });

  it("an unreadable record of a long id can be set aside by the id and by the name it is listed under", async () => {
    const id = `openai-codex:${"x".repeat(300)}`;
    for (const by of ["id", "listed"]) {
      const before = await open();
      await before.replace(profileWith({ id }), 0);
      await before.close();
      const name =
        readdirSync(profiles).find((found) => found.includes("~") && found.endsWith(".json")) ?? "";
      writeFileSync(join(profiles, name), "");
      const store = await open();
      const [corrupt] = (await store.readAll(FIXED_NOW)).corrupt;
      await store.setAside(by === "id" ? id : (corrupt?.profile ?? ""));
      expect((await store.readAll(FIXED_NOW)).corrupt).toEqual([]);
      await store.close();
    }
  });

  it("unreadable orders and bans stop the whole, as an order is an allow-list, and are not overwritten", async () => {
    const path = join(directory, "providers.json");
    const store = await damaged(() => writeFileSync(path, '{"format":1'));
    const refusal = { name: "StoreError", code: "unreadable", path, mend: expect.stringContaining("repair") };
    await expect(store.readAll(FIXED_NOW)).rejects.toMatchObject(refusal);
    await expect(store.replaceProviders({})).rejects.toMatchObject(refusal);
    expect(readFileSync(path, "latin1")).toBe('{"format":1');
    rmSync(path);
    expect((await store.readAll(FIXED_NOW)).profiles).toHaveLength(2);
  });
});
