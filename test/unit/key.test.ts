import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { commandKey } from "../../src/key/command.ts";
import { fileKey } from "../../src/key/file.ts";
import { fingerprints } from "../../src/key/fingerprint.ts";
import { type KeyringEntry, keyringKey } from "../../src/key/keyring.ts";
import { keySources } from "../../src/key.ts";
import { apiKeyGrantWith, oauthGrantWith } from "../support/arbitrary.ts";

const KEY = new Uint8Array(32).fill(0xab);
const HEX = "ab".repeat(32);
const INSTALL = "00".repeat(16);

describe("a key in a file", () => {
  const place = () => join(mkdtempSync(join(tmpdir(), "auth-broker-key-")), "home", "key");

  test("is for our own user only, found again, and removed without a trace", async () => {
    const source = fileKey(place());
    expect(await source.read(INSTALL)).toBeUndefined();
    await source.write?.(KEY, INSTALL);
    expect(statSync(source.place).mode & 0o777).toBe(0o600);
    expect(readFileSync(source.place, "latin1")).toBe(`${HEX}\n`);
    expect(new Uint8Array((await source.read(INSTALL)) ?? [])).toEqual(KEY);
    await source.remove?.(INSTALL);
    expect(existsSync(source.place)).toBe(false);
  });

  test.each(["", "not a key", "ab".repeat(31)])(
    "that is damaged (%j) is an error, and the file stays",
    async (text) => {
      const source = fileKey(place());
      await source.write?.(KEY, INSTALL);
      writeFileSync(source.place, text);
      const refusal = { name: "StoreError", code: "unreadable", path: source.place };
      await expect(source.read(INSTALL)).rejects.toMatchObject(refusal);
      expect(readFileSync(source.place, "utf8")).toBe(text);
    },
  );

  test("with a directory in its place is an error", async () => {
    const source = fileKey(place());
    mkdirSync(source.place, { recursive: true });
    await expect(source.read(INSTALL)).rejects.toMatchObject({ name: "StoreError", path: source.place });
  });
});

describe("a key that a program prints", () => {
  const program = (text: string): string => {
    const file = join(mkdtempSync(join(tmpdir(), "auth-broker-key-")), "program");
    writeFileSync(file, `#!/bin/sh\n${text}\n`);
    chmodSync(file, 0o755);
    return file;
  };

  test("is read with the program's arguments, and cannot be written", async () => {
    const source = commandKey([program('printf "%s\\n" "$1"'), HEX]);
    expect(new Uint8Array((await source.read(INSTALL)) ?? [])).toEqual(KEY);
    expect(source.write).toBeUndefined();
  });

  test.each([
    ["exit 3", "it ended with 3"],
    ["true", "printed nothing"],
    [`echo ${HEX}00`, "is not a key"],
    [`echo ${HEX}; echo secret >&2; exit 1`, "it ended with 1"],
  ])("is an error if the program does %j, without a word of its output", async (text, message) => {
    const error: unknown = await commandKey([program(text)])
      .read(INSTALL)
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({ name: "StoreError", message: expect.stringContaining(message) });
    expect(`${(error as Error).message} ${(error as Error).stack}`).not.toMatch(/abab|secret/);
  });

  test.each([
    ["that is not there", ["/nowhere/program"], "the program that gives the key is not there"],
    ["that is no program", [tmpdir()], "may not be run by this user"],
    ["that takes too many arguments", ["sh", "x".repeat(3_000_000)], "could not be started (E2BIG)"],
    ["of a name that none has", ["a\0b"], "could not be started (ERR_INVALID_ARG_VALUE)"],
  ])("is an error with its mend for a program %s", async (_what, command, message) => {
    await expect(commandKey(command).read(INSTALL)).rejects.toMatchObject({
      name: "StoreError",
      path: command[0],
      message: expect.stringContaining(message),
      mend: expect.stringContaining("key.command in config.json"),
    });
  });
});

describe("a key in the keyring", () => {
  /** A keyring with one entry for each service and account. */
  function keyring(entries = new Map<string, string>(), trouble?: Error) {
    const open = (service: string, account: string): KeyringEntry => {
      const name = `${service}/${account}`;
      const meet = () => (trouble === undefined ? Promise.resolve() : Promise.reject(trouble));
      return {
        getPassword: () => meet().then(() => entries.get(name) ?? null),
        setPassword: (text) => meet().then(() => void entries.set(name, text)),
        deleteCredential: () => meet().then(() => entries.delete(name)),
      };
    };
    return { entries, source: keyringKey(async () => open) };
  }

  test("has an entry of its own for each installation", async () => {
    const { entries, source } = keyring();
    await source.write?.(KEY, INSTALL);
    expect([...entries]).toEqual([[`auth-broker/${INSTALL}`, HEX]]);
    expect(new Uint8Array((await source.read(INSTALL)) ?? [])).toEqual(KEY);
    expect(await source.read("11".repeat(16))).toBeUndefined();
    await source.remove?.(INSTALL);
    expect(entries.size).toBe(0);
  });

  test("is an error while the keyring is locked, and never taken for a missing one", async () => {
    const { source } = keyring(new Map(), new Error("Couldn't access platform storage: AccessDenied"));
    const locked = { name: "StoreError", message: "the keyring is locked or cannot be reached" };
    await expect(source.read(INSTALL)).rejects.toMatchObject(locked);
    await expect(source.write?.(KEY, INSTALL)).rejects.toMatchObject(locked);
  });

  test("needs its package only when it is used", async () => {
    const source = keyringKey(() => Promise.reject(new TypeError("loaded")));
    await expect(source.read(INSTALL)).rejects.toThrow("loaded");
  });

  test("is kept where it outlives a session and a reboot, not in the kernel's keyring", async () => {
    const opened: unknown[][] = [];
    vi.doMock("@napi-rs/keyring", () => ({
      AsyncEntry: class {
        constructor(...about: unknown[]) {
          opened.push(about);
        }
        getPassword = async () => null;
      },
    }));
    onTestFinished(() => vi.doUnmock("@napi-rs/keyring"));
    expect(await keyringKey().read(INSTALL)).toBeUndefined();
    expect(opened).toEqual([["auth-broker", INSTALL, { linux: { store: "secret-service" } }]]);
  });

  test("that is no key is an error", async () => {
    const { source } = keyring(new Map([[`auth-broker/${INSTALL}`, "hello"]]));
    await expect(source.read(INSTALL)).rejects.toMatchObject({
      message: expect.stringContaining("holds no key"),
    });
  });
});

test("a program that config.json does not name gives no key", async () => {
  await expect(keySources({ source: "file" }, "/key").of("command")).rejects.toThrow("no program is named");
});

describe("a fingerprint", () => {
  test("is 8 hex digits that tell tokens apart and change with the key", () => {
    const [mine, theirs] = [
      fingerprints(new Uint8Array(32).fill(1)),
      fingerprints(new Uint8Array(32).fill(2)),
    ];
    const grant = oauthGrantWith();
    expect(mine(grant)).toMatch(/^[0-9a-f]{8}$/);
    expect(mine(grant)).toBe(mine(oauthGrantWith()));
    expect(mine(grant)).not.toBe(mine(apiKeyGrantWith()));
    expect(mine(grant)).not.toBe(theirs(grant));
  });
});
