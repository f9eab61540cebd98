import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Codec } from "../../src/store/document.ts";
import { documentAdapter } from "../../src/store/document.ts";

const anything: Codec<unknown> = { encode: (value) => value, decode: (record) => record };

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "store-"));
  path = join(directory, "d.json");
});
afterEach(() => rmSync(directory, { recursive: true }));

const sound = { format: 1, seal: { algorithm: "none" }, revision: 3, record: { a: 1 } };

async function refusal(content: string | Uint8Array): Promise<string> {
  writeFileSync(path, content);
  const error = await documentAdapter(path, anything)
    .read()
    .then(
      () => "accepted",
      (caught: unknown) => caught,
    );
  expect(error).toMatchObject({ name: "StoreError", code: "unreadable", path });
  expect(readFileSync(path).equals(Buffer.from(content))).toBe(true);
  return (error as Error).message;
}

describe("a document", () => {
  it("is absent when there is no file", async () => {
    expect(await documentAdapter(path, anything).read()).toBeNull();
  });

  it("says its format, its seal and its revision", async () => {
    await documentAdapter(path, anything).write({ value: { a: 1 }, revision: 3, reserve: false });
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(sound);
    expect(await documentAdapter(path, anything).read()).toEqual({
      value: { a: 1 },
      revision: 3,
      reserve: false,
    });
  });

  it("may be laid out by hand", async () => {
    writeFileSync(path, `${JSON.stringify(sound, null, 2)}\n`);
    expect(await documentAdapter(path, anything).read()).toMatchObject({ revision: 3 });
  });

  it("of another format is refused by the name of the format, whatever else is in it", async () => {
    const other = { format: 2, seal: { algorithm: "none", more: 1 }, invented: true };
    expect(await refusal(JSON.stringify(other))).toBe("it has format 2; this version reads format 1");
  });

  it("under an unknown seal is refused by the name of the seal", async () => {
    const sealed = { ...sound, seal: { algorithm: "a256gcm" }, record: "…" };
    expect(await refusal(JSON.stringify(sealed))).toContain('sealed with "a256gcm"');
  });

  it("with a key that is none of the format's is refused", async () => {
    expect(await refusal(JSON.stringify({ ...sound, extra: "rt-FAKE" }))).not.toContain("FAKE");
    expect(await refusal(JSON.stringify({ ...sound, revision: 0 }))).toContain("revision");
  });

  it("is refused without quoting it when it is empty, cut off, marked or not UTF-8", async () => {
    const whole = JSON.stringify({ ...sound, record: { token: "rt-FAKE-ü" } });
    expect(await refusal("")).toBe("it is empty");
    for (const text of ["null", "[]", "{}", '{"format":"1"}', "rt-FAKE", `\ufeff${whole}`, `${whole}x`]) {
      expect(await refusal(text)).not.toContain("FAKE");
    }
    expect(await refusal(Buffer.from(whole, "latin1"))).toBe("it is not whole JSON text");
    expect(await refusal(Buffer.alloc(4096))).toBe("it is not whole JSON text");
  });

  it("is refused at a size that no record has", async () => {
    expect(await refusal(Buffer.alloc(8 * 1024 * 1024 + 1))).toContain("larger than");
  });

  it("is not written when it could not be read again, and the old one stays", async () => {
    writeFileSync(path, JSON.stringify(sound));
    const adapter = documentAdapter(path, anything);
    await expect(adapter.write({ value: 1, revision: Number.NaN, reserve: false })).rejects.toMatchObject({
      name: "StoreError",
      code: "io",
    });
    const value = "x".repeat(8 * 1024 * 1024);
    await expect(adapter.write({ value, revision: 1, reserve: false })).rejects.toMatchObject({ code: "io" });
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(sound);
  });
});
