import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const readme = readFileSync(join(ROOT, "README.md"), "utf8");
const named = [...readme.matchAll(/`(test\/[^`]+\.test\.ts)` › ([^;|]+?)(?=;| \||$)/gm)].map(
  ([, file = "", name = ""]) => ({
    file,
    name: name.trim(),
  }),
);

describe("the README", () => {
  test("names a test behind each of the ten promises", () => {
    const rows = readme.split("\n").filter((line) => /^\| \d+ \|/.test(line));
    expect(rows).toHaveLength(10);
    for (const row of rows) expect(row).toMatch(/`test\//);
  });

  test.each(named)("names $file › $name, which exists", ({ file, name }) => {
    const path = join(ROOT, file);
    expect(existsSync(path)).toBe(true);
    expect(readFileSync(path, "utf8")).toContain(name);
  });

  test("links to no file that is not there", () => {
    const links = [...readme.matchAll(/\]\(([^)#:]+)\)/g)].map(([, target = ""]) => target);
    expect(links.length).toBeGreaterThan(2);
    for (const target of links) expect(existsSync(join(ROOT, target))).toBe(true);
  });
});
