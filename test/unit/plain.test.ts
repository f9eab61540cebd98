import { expect, test } from "vitest";
import { plain } from "../../src/cli/output.ts";

test.each([
  ["an escape sequence", "a\u001b[31mb", "a?[31mb"],
  ["a new line", "a\nb", "a?b"],
  ["directions", "a\u202eb\u200fc\u061cd", "a?b?c?d"],
  ["what has no width", "a\u200bb\ufeffc", "a?b?c"],
  ["breaks of lines and paragraphs", "a\u2028b\u2029c", "a?b?c"],
])("%s in a text from elsewhere does not reach a terminal", (_what, text, shown) => {
  expect(plain(text)).toBe(shown);
});

test("letters of any script do", () => {
  for (const text of ["häuser", "日本語", "работа", "🙂"]) expect(plain(text)).toBe(text);
});
