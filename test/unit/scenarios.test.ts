import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const text = readFileSync(join(ROOT, "test/scenarios.md"), "utf8");
const rows = text.split("\n").filter((line) => /^\| S\d+ \|/.test(line));

/** Numbers that no scenario has. */
const GAPS = [
  5, 11, 17, 23, 29, 35, 41, 47, 53, 59, 65, 71, 77, 83, 89, 95, 101, 107, 113, 119, 125, 131, 137, 143, 149,
  155, 161, 167,
];
const IDS = Array.from({ length: 169 }, (_, i) => i + 1).filter((n) => !GAPS.includes(n));

const tests = rows.flatMap((row) => {
  const [id = "", , named = ""] = row.split(" | ").map((cell) => cell.replace(/^\| /, ""));
  return [...named.matchAll(/`(test\/[^`]+\.test\.ts)` › (.+?)(?=; `test\/|$)/g)].map(
    ([, file = "", name = ""]) => ({ id, file, name }),
  );
});

describe("the table of scenarios", () => {
  test("has each of the 141 once, in order", () => {
    expect(rows.map((row) => /^\| (S\d+) /.exec(row)?.[1])).toEqual(
      IDS.map((n) => `S${String(n).padStart(2, "0")}`),
    );
  });

  test("names a test for each, or says what is missing", () => {
    for (const row of rows) expect(row).toMatch(/`test\/.+` › |\*\*not yet\*\*: \w/);
  });

  test("counts right", () => {
    const missing = (what: string) => rows.filter((row) => row.includes(`**${what}**`)).length;
    const [part, none] = [missing("in part"), missing("not yet")];
    const covered = rows.length - part - none;
    expect(text).toContain(`**Covered: ${covered}. In part: ${part}. Not yet: ${none}.**`);
  });

  test.each(tests)("$id: $file › $name exists", ({ file, name }) => {
    const source = readFileSync(join(ROOT, file), "utf8");
    const written = [`"${name}"`, `\`${name}\``, `\`${name.replaceAll("`", "\\`")}\``, `'${name}'`];
    expect(written.some((title) => source.includes(title))).toBe(true);
  });
});
