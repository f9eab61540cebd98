import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { defaultConfig } from "../../src/config.ts";
import { BUILT_IN_PROVIDERS } from "../../src/domain/provider-ids.ts";
import { buildProviders } from "../../src/provider/registry.ts";

const ROOT = join(import.meta.dirname, "../..");
const providers = buildProviders(defaultConfig());
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

  test.each([...BUILT_IN_PROVIDERS])("says of %s what its data say: flows, where tried, policy", (id) => {
    const provider = providers.providerFor(id);
    const row = readme.split("\n").find((line) => line.startsWith(`| \`${id}\` |`)) ?? "";
    const [, , flows = "", , live, failover] = row.split("|").map((cell) => cell.trim());
    const { authorizeUrl, deviceUrl } = provider.oauth ?? {};
    expect(flows.includes("browser, paste")).toBe(authorizeUrl !== undefined);
    expect(flows.includes("device")).toBe(deviceUrl !== undefined);
    expect(live).toBe(provider.verifiedAt === "" ? "never" : provider.verifiedAt);
    expect(failover).toBe(provider.policy.failover);
    const { source } = provider.policy;
    if (failover === "manual") expect(readme).toContain(`(${source})`);
  });

  test("links to no file that is not there", () => {
    const links = [...readme.matchAll(/\]\(([^)#:]+)\)/g)].map(([, target = ""]) => target);
    expect(links.length).toBeGreaterThan(2);
    for (const target of links) expect(existsSync(join(ROOT, target))).toBe(true);
  });
});
