import { expect, test } from "vitest";
import { parseTrace } from "../support/strace.ts";

test("a call that was interrupted in the log is one call, with the end that it came to", () => {
  const log = [
    '11 openat(AT_FDCWD, "/s/spare", O_RDWR <unfinished ...>',
    "12 write(1</p>, ..., 3) = 3",
    "11 <... openat resumed>) = -1 ENOENT (No such file)",
    '11 openat(AT_FDCWD, "/s/a", O_RDWR) = 5',
    "",
  ].join("\n");
  expect(parseTrace(log)).toEqual([
    {
      tid: 11,
      name: "openat",
      ordinal: 1,
      text: 'openat(AT_FDCWD, "/s/spare", O_RDWR) = -1 ENOENT (No such file)',
    },
    { tid: 12, name: "write", ordinal: 1, text: "write(1</p>, ..., 3) = 3" },
    { tid: 11, name: "openat", ordinal: 2, text: 'openat(AT_FDCWD, "/s/a", O_RDWR) = 5' },
  ]);
});
