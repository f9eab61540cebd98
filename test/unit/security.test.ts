import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const text = readFileSync(join(ROOT, "SECURITY.md"), "utf8");
const rows = text.split("\n").filter((line) => /^\| \d+ \|/.test(line));

describe("SECURITY.md", () => {
  test("has the 25 threats, in order", () => {
    expect(rows.map((row) => Number(row.split("|")[1]))).toEqual(Array.from({ length: 25 }, (_, i) => i + 1));
  });

  test.each(rows.map((row) => row.split("|").map((cell) => cell.trim())))(
    "row %s%s names tests that exist, or says why there are none",
    (...cells) => {
      const told = cells[4] ?? "";
      if (told.startsWith("open: ")) return;
      const named = [...told.matchAll(/`(test\/[^`]+)` › ([^;]+)/g)];
      expect(named.length).toBeGreaterThan(0);
      for (const [, file = "", name = ""] of named) {
        expect(existsSync(join(ROOT, file)), file).toBe(true);
        expect(readFileSync(join(ROOT, file), "utf8"), file).toContain(name.trim());
      }
    },
  );

  test("links to nothing that is not there", () => {
    for (const [, target = ""] of text.matchAll(/\]\(([^)#:]+)\)/g))
      expect(existsSync(join(ROOT, target))).toBe(true);
  });
});
