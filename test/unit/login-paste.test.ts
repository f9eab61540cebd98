import { expect, test } from "vitest";
import { pastedAnswer } from "../../src/domain/login.ts";

const read = (text: string) => {
  const answer = pastedAnswer(text);
  return answer && Object.fromEntries(answer);
};

test.each([
  [
    "the whole address",
    "http://localhost:1455/auth/callback?code=c0de&state=st",
    { code: "c0de", state: "st" },
  ],
  [
    "an address that was wrapped",
    "http://localhost:1455/auth/callback?code=c0\n  de&state=st",
    { code: "c0de", state: "st" },
  ],
  [
    "an address with the answer behind #",
    "https://x.test/cb#code=c0de&state=st",
    { code: "c0de", state: "st" },
  ],
  ["an address in capitals", "HTTP://x.test/cb?code=c0de", { code: "c0de" }],
  ["its query without a mark", "code=c0de&state=st", { code: "c0de", state: "st" }],
  ["the end of an address", "/cb?code=c0de&state=st", { code: "c0de", state: "st" }],
  ["a code that was wrapped", "c0\n    de-1", { code: "c0de-1" }],
  ["its query", "?code=c0de&state=st", { code: "c0de", state: "st" }],
  ["an error", "http://127.0.0.1/cb?error=access_denied&state=st", { error: "access_denied", state: "st" }],
  ["code and state as a page shows them", "c0de#st", { code: "c0de", state: "st" }],
  ["the bare code", " \u001b[32mc0de-1_2\u001b[0m ", { code: "c0de-1_2" }],
])("%s is an answer", (_what, text, answer) => {
  expect(read(text)).toEqual(answer);
});

test.each(["", "a code!", "https://x.test/", "http://", "x", "c0de#", `c${"0".repeat(5_000)}`])(
  "%j is none",
  (text) => {
    expect(pastedAnswer(text)).toBeUndefined();
  },
);
