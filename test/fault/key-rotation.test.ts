import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Profile } from "../../src/domain/profile.ts";
import { Secret } from "../../src/domain/secret.ts";
import { keySources } from "../../src/key.ts";
import { rotateKey } from "../../src/store/rotation.ts";
import { FIXED_NOW, oauthGrantWith, profileWith } from "../support/arbitrary.ts";
import { compiled } from "../support/compiled.ts";
import { openTestStore } from "../support/keys.ts";
import { mountDisk } from "../support/mount.ts";
import { writePlainState } from "../support/plain-state.ts";
import type { FileCall, Trace } from "../support/strace.ts";
import { straceWorks, trace } from "../support/strace.ts";

const usable = await straceWorks();
if (!usable)
  console.warn("SKIPPED: rotations are not interrupted at system calls, strace does not work here");
const disks = await mountDisk(1024 * 1024);
await disks?.unmount();
if (disks === undefined)
  console.warn("SKIPPED: rotations on a full disk, this process may not mount a tmpfs");

/** Calls after which the disk may look different. */
const CHANGING = ["write", "ftruncate", "fsync", "rename", "unlink"];
const LABELS = ["a", "b"];

let program: Awaited<ReturnType<typeof compiled>>;
let scratch: string;

beforeAll(async () => {
  program = await compiled("test/support/rotation-program.ts");
  scratch = mkdtempSync(join(tmpdir(), "rotation-"));
});
afterAll(() => {
  program.remove();
  rmSync(scratch, { recursive: true });
});

/** State and key of one installation. */
interface Home {
  readonly directory: string;
  readonly keyFile: string;
}

function homeIn(place: string): Home {
  return { directory: join(place, "state"), keyFile: join(place, "config", "key") };
}

function keysOf({ keyFile }: Home) {
  return keySources({ source: "file" }, keyFile);
}

function profile(label: string): Profile {
  const grant = oauthGrantWith({ refreshToken: new Secret(`rt-FAKE-${label}`) });
  return profileWith({ id: `openai-codex:${label}`, grant });
}

async function prepare(home: Home): Promise<void> {
  const store = await openTestStore(home.directory, { keys: keysOf(home) });
  for (const label of LABELS) await store.replace(profile(label), 0);
  await store.replaceProviders({ "openai-codex": { order: ["openai-codex:a"] } });
  await store.close();
}

/** Fails unless a new process finds everything, and may go on writing. Gives the key's id. */
async function expectWhole(home: Home, warn: (message: string) => void = () => {}): Promise<string> {
  const store = await openTestStore(home.directory, { keys: keysOf(home), warn });
  const { profiles, corrupt, providers } = await store.readAll(FIXED_NOW);
  expect(corrupt).toEqual([]);
  const tokens = profiles.map(
    ({ profile }) => profile.grant.kind === "oauth" && profile.grant.refreshToken?.reveal(),
  );
  expect(tokens).toEqual(LABELS.map((label) => `rt-FAKE-${label}`));
  expect(providers).toEqual({ "openai-codex": { order: ["openai-codex:a"] } });
  await store.close();
  return sealed(home).key;
}

function sealed({ directory }: Home): { readonly key: string; readonly next?: unknown } {
  return JSON.parse(readFileSync(join(directory, "seal.json"), "utf8"));
}

function fresh(): Home {
  rmSync(join(scratch, "home"), { recursive: true, force: true });
  return homeIn(join(scratch, "home"));
}

function rotate(home: Home, inject?: string): Promise<Trace> {
  return traced("rotate", home, inject);
}

function traced(task: "rotate" | "open", { directory, keyFile }: Home, inject?: string): Promise<Trace> {
  const args = [task, directory, keyFile];
  const subject = { file: program.file, args, ready: /^ready$/, input: "", done: /^(done|failed)/ };
  return trace(subject, scratch, inject);
}

function changing(calls: readonly FileCall[]): readonly FileCall[] {
  return calls.filter(({ name, text }) => CHANGING.includes(name) && text.includes(join(scratch, "home")));
}

describe.runIf(usable)("a rotation", () => {
  it("killed at any step leaves every record readable, and the next start finishes it", async () => {
    const home = fresh();
    await prepare(home);
    const { calls, stdout } = await rotate(home);
    expect(stdout).toContain("done");
    const steps = changing(calls);
    // The plan, two records, the providers, the key, the end of the plan: each a file, a name, a directory.
    expect(steps.length).toBeGreaterThanOrEqual(6 * 4);
    for (const { name, ordinal, text } of steps) {
      const again = fresh();
      await prepare(again);
      const former = sealed(again).key;
      const { signal } = await rotate(again, `${name}:signal=KILL:when=${ordinal}`);
      expect(signal, text).toBe("SIGKILL");
      const wasBegun = sealed(again).next !== undefined;
      const found = await expectWhole(again);
      if (wasBegun) expect(found, text).not.toBe(former);
      expect(sealed(again).next, text).toBeUndefined();
      await rotateKey(again.directory, keysOf(again));
      expect(await expectWhole(again), text).not.toBe(found);
    }
  });

  it.each(["EIO", "ENOSPC"])(
    "refused with %s at any step leaves every record readable, and can be made again",
    async (errno) => {
      const home = fresh();
      await prepare(home);
      const { calls } = await rotate(home);
      for (const { name, ordinal, text } of changing(calls).filter((call) => call.name === "fsync")) {
        const again = fresh();
        await prepare(again);
        const { stdout } = await rotate(again, `${name}:error=${errno}:when=${ordinal}`);
        expect(stdout, text).toContain(`failed ${errno === "EIO" ? "io" : "full"}`);
        await expectWhole(again);
        await rotateKey(again.directory, keysOf(again));
        await expectWhole(again);
      }
    },
  );
});

describe.runIf(usable)("the first start on what an earlier version left in the clear", () => {
  function former(): Home {
    const home = fresh();
    writePlainState(home.directory, [profile("a"), profile("b")]);
    return home;
  }

  function everyByte({ directory }: Home): string {
    const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((f) => f.isFile());
    return files.map((f) => readFileSync(join(f.parentPath, f.name), "latin1")).join("\n");
  }

  it("killed at any step loses nothing, and the next start seals what is left", async () => {
    const { calls, stdout } = await traced("open", former());
    expect(stdout).toContain("done");
    const steps = changing(calls);
    // The key, the file that says how, two records, the providers, and the end: each a file, a name, a directory.
    expect(steps.length).toBeGreaterThanOrEqual(6 * 4);
    for (const { name, ordinal, text } of steps) {
      const home = former();
      const { signal } = await traced("open", home, `${name}:signal=KILL:when=${ordinal}`);
      expect(signal, text).toBe("SIGKILL");
      const key = await expectWhole(home);
      expect(everyByte(home), text).not.toMatch(/FAKE|order/);
      expect(sealed(home), text).not.toHaveProperty("plain");
      expect(await expectWhole(home), text).toBe(key);
    }
  });

  it.each(["EIO", "ENOSPC"])(
    "refused with %s at any step loses nothing, and a later one seals it",
    async (errno) => {
      const { calls } = await traced("open", former());
      for (const { name, ordinal, text } of changing(calls).filter((call) => call.name === "fsync")) {
        const home = former();
        await traced("open", home, `${name}:error=${errno}:when=${ordinal}`);
        await expectWhole(home);
        expect(everyByte(home), text).not.toMatch(/FAKE|order/);
      }
    },
  );
});

describe.runIf(disks !== undefined)("a rotation on a full disk", () => {
  it("is refused, everything still opens and is served, and goes on once there is space", async () => {
    const disk = await mountDisk(1024 * 1024);
    if (disk === undefined) throw new Error("mounting worked before");
    try {
      const home = { ...homeIn(disk.path), keyFile: join(fresh().keyFile) };
      await prepare(home);
      const former = sealed(home).key;
      const ballast = disk.fill();
      await expect(rotateKey(home.directory, keysOf(home))).rejects.toMatchObject({ code: "full" });
      expect(await expectWhole(home)).toBe(former);
      rmSync(ballast);
      await rotateKey(home.directory, keysOf(home));
      expect(await expectWhole(home)).not.toBe(former);
    } finally {
      await disk.unmount();
    }
  });

  it("that fills up in the middle goes on from there with the next start", async () => {
    const disk = await mountDisk(1024 * 1024);
    if (disk === undefined) throw new Error("mounting worked before");
    try {
      const home = { ...homeIn(disk.path), keyFile: join(fresh().keyFile) };
      await prepare(home);
      const former = sealed(home).key;
      const keys = keysOf(home);
      const file = await keys.of("file");
      let ballast = "";
      // The plan is on the disk and the records are sealed anew when the key is about to be kept.
      const filling = {
        ...file,
        write: async () => {
          ballast = disk.fill();
          throw Object.assign(new Error("stop"), { name: "Stop" });
        },
      };
      await expect(rotateKey(home.directory, { ...keys, of: async () => filling })).rejects.toMatchObject({
        name: "Stop",
      });
      const warnings: string[] = [];
      expect(await expectWhole(home, (message) => warnings.push(message))).toBe(former);
      expect(warnings).toEqual([expect.stringContaining("the next start tries again")]);
      rmSync(ballast);
      expect(await expectWhole(home)).not.toBe(former);
    } finally {
      await disk.unmount();
    }
  });
});
