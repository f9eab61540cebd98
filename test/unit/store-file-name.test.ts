import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fileNameOf, profileOfFileName } from "../../src/store/file-name.ts";

const anyText = fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((n) => String.fromCharCode(n)) });

describe("the file name of a profile", () => {
  it("is readable for usual ids", () => {
    expect(fileNameOf("openai-codex:work_2")).toBe("openai-codex%3awork_2.json");
  });

  it("holds nothing that any file system minds, at any length", () => {
    fc.assert(
      fc.property(fc.oneof(anyText, fc.string({ minLength: 200, maxLength: 2000 })), (id) => {
        expect(fileNameOf(id)).toMatch(/^[a-z0-9_%-]*(~[0-9a-f]{64})?\.json$/);
        expect(fileNameOf(id).length).toBeLessThanOrEqual(205);
      }),
    );
  });

  it("differs for different ids, also where case does not count", () => {
    fc.assert(
      fc.property(anyText, anyText, (a, b) => {
        if (a !== b) expect(fileNameOf(a).toLowerCase()).not.toBe(fileNameOf(b).toLowerCase());
      }),
    );
    const pairs = [
      ["p:a", "p:A"],
      ["p:é", "p:e\u0301"],
      ["p:%41", "p:A"],
      ["p:\ud800", "p:\ud801"],
      ["p:\ud800", "p:\ufffd"],
      [`p:${"x".repeat(300)}`, `p:${"x".repeat(301)}`],
    ] as const;
    for (const [a, b] of pairs) expect(fileNameOf(a)).not.toBe(fileNameOf(b));
  });

  it("leads back to the id of usual length", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 16 }), (id) => {
        expect(profileOfFileName(fileNameOf(id))).toBe(id);
      }),
    );
  });

  it("leads back to the beginning of a long id", () => {
    expect(profileOfFileName(fileNameOf(`anthropic:${"x".repeat(300)}`))).toMatch(
      /^anthropic:x{88}~[0-9a-f]{64}$/,
    );
  });

  it("is told from other files in the directory", () => {
    for (const name of ["a%3ab.json.spare", "a%3ab.json.corrupt-20270115T080000000Z", "notes.txt"]) {
      expect(profileOfFileName(name)).toBeUndefined();
    }
  });

  it("gives a foreign name as it is", () => {
    expect(profileOfFileName("100%.json")).toBe("100%");
  });
});
