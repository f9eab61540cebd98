import { readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const SRC = fileURLToPath(new URL("../../src", import.meta.url));
const IMPORT = /^(?:import|export)\s(?!type\b)(?:[^"';]*?\sfrom\s+)?"([^"]+)"/gms;

/** Every module that runs when a program imports this one: files below src, packages by name. */
function loaded(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  if (!file.startsWith(SRC)) return seen;
  for (const [, target = ""] of readFileSync(file, "utf8").matchAll(IMPORT)) {
    loaded(target.startsWith(".") ? resolve(dirname(file), target) : target, seen);
  }
  return seen;
}

const namesOf = (entry: string) =>
  [...loaded(resolve(SRC, entry))].map((file) => (file.startsWith(SRC) ? relative(SRC, file) : file));

test("the client loads only itself, the messages, the addresses, its package and the pure domain", () => {
  const names = namesOf("client/index.ts");
  expect(names).toContain("client/use.ts");
  expect(names).toContain("rpc/schema.ts");
  const strangers = names.filter((name) => !/^(client|rpc|endpoint|domain)\//.test(name)).sort();
  expect(strangers.filter((name) => !name.startsWith("node:"))).toEqual([
    "@grpc/grpc-js",
    "package.ts",
    "places.ts",
    "protobufjs",
  ]);
});

test("this test sees what a module loads", () => {
  expect(namesOf("config/schema.ts")).toContain("zod");
});
