import { expect, test } from "vitest";
import { isLoopback, isSafeForSecrets } from "../../src/domain/url.ts";

test.each([
  ["https://example.test/", false, true],
  ["http://example.test/", false, false],
  ["ftp://localhost/", true, false],
  ["http://localhost:1/", true, true],
  ["http://[::1]/", true, true],
  ["http://127.0.0.1/", true, true],
  ["http://127.200.30.4/", true, true],
  ["http://127.0.0.10/", true, true],
  ["http://127.0.0.1.example.test/", false, false],
  ["http://x127.0.0.1.test/", false, false],
  ["http://128.0.0.1/", false, false],
  ["http://localhost.example.test/", false, false],
])("%s is loopback: %s, and may be sent a secret: %s", (text, loopback, safe) => {
  const url = new URL(text);
  expect([isLoopback(url), isSafeForSecrets(url)]).toEqual([loopback, safe]);
});
