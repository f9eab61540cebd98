import { chmodSync, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fingerprints, installKey } from "../../src/key.ts";
import { apiKeyGrantWith, oauthGrantWith } from "../support/arbitrary.ts";

const place = () => join(mkdtempSync(join(tmpdir(), "auth-broker-key-")), "home", "key");

describe("the per-install key", () => {
  test("is made once, for our own user only, and found again", async () => {
    const path = place();
    const made = await installKey(path);
    expect(made).toHaveLength(32);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await installKey(path)).toEqual(made);
  });

  test.each(["", "not a key", "ab".repeat(31)])(
    "in a damaged file (%j) is an error, and the file stays",
    async (text) => {
      const path = place();
      await installKey(path);
      writeFileSync(path, text);
      await expect(installKey(path)).rejects.toMatchObject({ name: "StoreError", code: "unreadable", path });
      expect(readFileSync(path, "utf8")).toBe(text);
    },
  );

  test("with a directory in its place is an error", async () => {
    const path = place();
    await installKey(join(path, "inside"));
    chmodSync(path, 0o700);
    await expect(installKey(path)).rejects.toMatchObject({ name: "StoreError", path });
  });
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
