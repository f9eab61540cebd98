import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "../..");
const IMPORT = "lint/style/noRestrictedImports";
const GLOBAL = "lint/style/noRestrictedGlobals";
const CYCLE = "lint/suspicious/noImportCycles";
const PLUGIN = "plugin";

/** Where a violation is planted, the violation, and the rule that must see it. */
const VIOLATIONS: readonly (readonly [promise: string, folder: string, code: string, rule: string])[] = [
  ["the domain reads no file", "domain", 'import "node:fs";', IMPORT],
  ["the domain loads no package but zod", "domain", 'import "undici";', IMPORT],
  ["the domain loads nothing lazily", "domain", 'export const x = () => import("node:fs");', IMPORT],
  ["the domain knows no type of a layer above", "domain", 'import type {} from "../store/store.ts";', IMPORT],
  ["the domain reads no clock", "domain", "export const x = Date.now();", GLOBAL],
  ["the domain reads no monotonic clock", "domain", "export const x = performance.now();", GLOBAL],
  ["the domain sets no timer", "domain", "setTimeout(String, 1);", GLOBAL],
  ["the domain talks to nobody", "domain", 'fetch("http://127.0.0.1/");', GLOBAL],
  ["the domain sees no environment", "domain", "export const x = process.env;", GLOBAL],
  ["the domain reaches no global by a detour", "domain", "export const x = globalThis.Date;", GLOBAL],
  ["the domain promises nothing", "domain", "export const x = Promise.resolve();", GLOBAL],
  ["the domain draws no lots", "domain", "export const x = Math.random();", PLUGIN],
  ["the domain has no async function", "domain", "export async function x() {}", PLUGIN],
  ["the domain has no async arrow", "domain", "export const x = async () => 1;", PLUGIN],
  ["the domain has no async method", "domain", "export class X { async y() {} }", PLUGIN],
  ["the domain has no async member", "domain", "export const x = { async y() {} };", PLUGIN],
  ["the domain awaits nothing", "domain", "export const x = await 1;", PLUGIN],

  ["the broker knows providers by their port", "broker", 'import "../provider/oauth.ts";', IMPORT],
  ["the broker knows stores by their port", "broker", 'import "../store/lowdb.ts";', IMPORT],
  ["the broker knows no wire", "broker", 'import "../rpc/schema.ts";', IMPORT],
  ["the broker opens no file", "broker", 'import "node:fs/promises";', IMPORT],
  ["the broker takes no way round", "broker", 'import "../domain/../store/lowdb.ts";', IMPORT],
  ["the broker asks its own clock", "broker", "export const x = Date.now();", GLOBAL],

  ["a store knows no other adapter", "store", 'import "../provider/provider.ts";', IMPORT],
  ["a provider knows no store", "provider", 'import "../store/store.ts";', IMPORT],
  ["a dialect reads no file", "provider/dialect", 'import "node:fs";', IMPORT],
  ["an import knows no store", "import", 'import "../store/lowdb.ts";', IMPORT],
  ["the audit log knows no store", "audit", 'import "../store/store.ts";', IMPORT],
  ["what the system tells knows nothing of ours", "system", 'import "../domain/time.ts";', IMPORT],
  ["the command line writes no audit", "cli", 'import "../audit/log.ts";', IMPORT],
  ["an endpoint knows no wire", "endpoint", 'import "../rpc/schema.ts";', IMPORT],
  ["configuration knows no broker", "config", 'import "../broker/broker.ts";', IMPORT],

  ["the shared wire knows no broker", "rpc", 'import "../broker/broker.ts";', IMPORT],
  ["the shared wire knows no service", "rpc", 'import "./service.ts";', IMPORT],
  ["the client knows no broker", "client", 'import "../broker/broker.ts";', IMPORT],
  ["the client knows no type of the broker", "client", 'import type {} from "../broker/broker.ts";', IMPORT],
  ["the client passes nothing of the broker on", "client", 'export * from "../broker/lease.ts";', IMPORT],
  ["the client knows no store", "client", 'import "../store/store.ts";', IMPORT],
  ["the client knows no service", "client", 'import "../rpc/service.ts";', IMPORT],
  ["the client opens no endpoint", "client", 'import "../endpoint/listener.ts";', IMPORT],
  ["the command line knows no broker", "cli", 'import "../broker/broker.ts";', IMPORT],
  ["the command line knows no store", "cli", 'import "../store/lowdb.ts";', IMPORT],
  ["codex stands on the client", "codex", 'import "../rpc/schema.ts";', IMPORT],
  ["openclaw stands on the client", "openclaw", 'import "../daemon.ts";', IMPORT],
  ["what stands beside the layers knows no broker", ".", 'import "./broker/broker.ts";', IMPORT],

  ["a type comes in at the top", "client", 'export type X = import("../store/store.ts").Store;', PLUGIN],
  ["a module is named where it is loaded", "cli", "export const x = (y: string) => import(y);", PLUGIN],
];

describe("the linter keeps the layers:", () => {
  const tree = mkdtempSync(join(tmpdir(), "layers-"));
  const planted = VIOLATIONS.map(([, folder], n) => join("src", folder, `planted-${n}.ts`));
  let found: ReadonlyMap<string, readonly string[]>;

  beforeAll(() => {
    for (const name of ["src", "lint", "biome.json"])
      cpSync(join(ROOT, name), join(tree, name), { recursive: true });
    VIOLATIONS.forEach(([, folder, code], n) => {
      mkdirSync(join(tree, "src", folder), { recursive: true });
      writeFileSync(join(tree, planted[n] ?? ""), `${code}\n`);
    });
    writeFileSync(
      join(tree, "src/cli/ring-a.ts"),
      'import type { B } from "./ring-b.ts";\nexport type A = B;\n',
    );
    writeFileSync(
      join(tree, "src/cli/ring-b.ts"),
      'import type { A } from "./ring-a.ts";\nexport type B = A;\n',
    );
    for (const folder of foldersOf(tree))
      writeFileSync(join(tree, folder, "stranger.ts"), 'import "left-pad";\n');
    found = rulesBroken(tree);
  });
  afterAll(() => rmSync(tree, { recursive: true }));

  test.for(VIOLATIONS.map(([promise, , , rule], n) => [promise, rule, planted[n] ?? ""] as const))(
    "%s",
    ([, rule, file]) => {
      expect(found.get(file)).toContain(rule);
    },
  );

  test("no module imports itself through others, not even for a type", () => {
    expect(found.get("src/cli/ring-a.ts")).toContain(CYCLE);
    expect(found.get("src/cli/ring-b.ts")).toContain(CYCLE);
  });

  test("every folder has a list of what it may import", () => {
    const open = foldersOf(tree).filter(
      (folder) => !found.get(join(folder, "stranger.ts"))?.includes(IMPORT),
    );
    expect(open).toEqual([]);
  });

  test("the tree as it is breaks none of these rules", () => {
    const ours = new Set([IMPORT, GLOBAL, CYCLE, PLUGIN]);
    const files = [...found].filter(([file]) => !/planted|ring|stranger/.test(file));
    expect(files.filter(([, rules]) => rules.some((rule) => ours.has(rule)))).toEqual([]);
  });
});

test("no path has a name that says nothing", () => {
  const banned = /(^|[/._-])(utils?|helpers?|common|managers?|base|impl|misc)([/._-]|$)/i;
  const paths = ["src", "test", "scripts", "bench", "demo", "lint", "proto"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).map((path) => `${folder}/${path}`),
  );
  expect(paths).toContain("src/domain/profile.ts");
  expect(paths.filter((path) => banned.test(path))).toEqual([]);
});

/** `src` and every folder below it. */
function foldersOf(tree: string): readonly string[] {
  const entries = readdirSync(join(tree, "src"), { recursive: true, withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory());
  return ["src", ...folders.map((entry) => relative(tree, join(entry.parentPath, entry.name)))];
}

/** The rules that the linter finds broken, by file. */
function rulesBroken(tree: string): ReadonlyMap<string, readonly string[]> {
  const biome = join(ROOT, "node_modules/@biomejs/biome/bin/biome");
  const args = ["lint", "--vcs-enabled=false", "--max-diagnostics=none", "--reporter=json"];
  const { stdout } = spawnSync(process.execPath, [biome, ...args], {
    cwd: tree,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  const { diagnostics } = JSON.parse(stdout) as {
    readonly diagnostics: readonly {
      readonly category: string;
      readonly location: { readonly path: string };
    }[];
  };
  const found = new Map<string, string[]>();
  for (const { category, location } of diagnostics) {
    const rules = found.get(location.path);
    if (rules === undefined) found.set(location.path, [category]);
    else rules.push(category);
  }
  return found;
}
