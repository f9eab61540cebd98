import { createHmac } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Hmac } from "../../src/broker/hmac.ts";

test("is HMAC-SHA-256, for keys shorter and longer than a block and any text", () => {
  const keys = fc.uint8Array({ maxLength: 130 });
  const texts = fc.string({ unit: "binary", maxLength: 3_000 });
  fc.assert(
    fc.property(keys, texts, (key, text) => {
      expect(new Hmac(key).sign(text)).toBe(createHmac("sha256", key).update(text).digest("base64url"));
    }),
  );
});
