import fc from "fast-check";
import { expect, test } from "vitest";
import { strictBase64 } from "../../src/store/base64.ts";

/** What Node makes of a text, if it would write the same text. */
function slowly(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : undefined;
}

test("bytes come back, and no other text brings them", () => {
  const bytes = fc.uint8Array({ maxLength: 60 }).map((b) => Buffer.from(b).toString("base64"));
  const letters = fc.string({ unit: fc.constantFrom(..."ABab09+/-_= \n\u00e9"), maxLength: 12 });
  const altered = fc.tuple(bytes, letters, fc.nat()).map(([text, other, at]) => {
    const place = at % (text.length + 1);
    return text.slice(0, place) + other + text.slice(place + other.length);
  });
  fc.assert(
    fc.property(fc.oneof(bytes, letters, altered), (text) => {
      expect(strictBase64(text)).toEqual(slowly(text));
    }),
    { numRuns: 2_000 },
  );
});

test.each(["QQ=", "QQ", "QR==", "Q===", "QQ==QQ==", "====", "-_==", "QUI=\n"])("%j is none", (text) => {
  expect(strictBase64(text)).toBeUndefined();
});
