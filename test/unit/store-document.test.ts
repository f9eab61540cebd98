import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Codec, Place } from "../../src/store/document.ts";
import { documentAdapter } from "../../src/store/document.ts";
import { writeEnvelope } from "../../src/store/envelope.ts";
import { testSeals } from "../support/keys.ts";

const anything: Codec<unknown> = {
  encode: (value) => value,
  decode: (record) => record,
  generation: () => 5,
};
const seals = testSeals();

let directory: string;
let path: string;
let place: Place;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "store-"));
  path = join(directory, "d.json");
  place = { path, name: "d.json" };
});
afterEach(() => rmSync(directory, { recursive: true }));

const CONTENT = { record: { a: 1 }, revision: 3, generation: 5 };
const sound = JSON.parse(writeEnvelope(CONTENT, "d.json", seals).toString()) as Record<string, unknown>;
/** As the first version left them. */
const plain = { format: 1, seal: { algorithm: "none" }, revision: 3, record: { a: 1 } };

async function refusal(content: string | Uint8Array): Promise<string> {
  writeFileSync(path, content);
  const error = await documentAdapter(place, anything, seals)
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
    expect(await documentAdapter(place, anything, seals).read()).toBeNull();
  });

  it("says its format, its seal and its revision", async () => {
    await documentAdapter(place, anything, seals).write({ value: { a: 1 }, revision: 3, reserve: false });
    const { seal, record, ...told } = JSON.parse(readFileSync(path, "utf8"));
    expect(told).toEqual({ format: 2, revision: 3, generation: 5 });
    expect(seal).toMatchObject({ algorithm: "A256GCM", key: seals.newest.id });
    expect(record).toMatch(/^[A-Za-z0-9+/]+=*$/);
    expect(await documentAdapter(place, anything, seals).read()).toEqual({
      value: { a: 1 },
      revision: 3,
      reserve: false,
    });
  });

  it("may be laid out by hand", async () => {
    writeFileSync(path, `${JSON.stringify(sound, null, 2)}\n`);
    expect(await documentAdapter(place, anything, seals).read()).toMatchObject({ revision: 3 });
  });

  it("of another format is refused by the name of the format, whatever else is in it", async () => {
    const other = { format: 3, seal: { algorithm: "none", more: 1 }, invented: true };
    expect(await refusal(JSON.stringify(other))).toBe("it has format 3; this version reads format 2");
  });

  it("under an unknown seal is refused by the name of the seal", async () => {
    const sealed = { ...sound, seal: { algorithm: "A128GCM" }, record: "…" };
    expect(await refusal(JSON.stringify(sealed))).toContain('sealed with "A128GCM"');
  });

  it("in the clear is read only where an earlier version left it", async () => {
    expect(await refusal(JSON.stringify(plain))).toBe("it is not sealed, although every record here was");
    const lenient = testSeals();
    lenient.allowsPlain = true;
    expect(await documentAdapter(place, anything, lenient).read()).toMatchObject({
      value: { a: 1 },
      revision: 3,
    });
  });

  it("with a key that is none of the format's is refused", async () => {
    expect(await refusal(JSON.stringify({ ...sound, extra: "rt-FAKE" }))).not.toContain("FAKE");
    expect(await refusal(JSON.stringify({ ...sound, revision: 0 }))).toContain("revision");
  });

  it("is refused without quoting it when it is empty, cut off, marked or not UTF-8", async () => {
    const whole = JSON.stringify({ ...plain, record: { token: "rt-FAKE-ü" } });
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
    const adapter = documentAdapter(place, anything, seals);
    await expect(adapter.write({ value: 1, revision: Number.NaN, reserve: false })).rejects.toMatchObject({
      name: "StoreError",
      code: "io",
    });
    const value = "x".repeat(8 * 1024 * 1024);
    await expect(adapter.write({ value, revision: 1, reserve: false })).rejects.toMatchObject({ code: "io" });
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(sound);
  });
});
