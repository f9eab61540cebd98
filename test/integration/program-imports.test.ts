import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { packageFile } from "../../src/package.ts";

const BIN = packageFile("bin");
/** Only a broker, a login or a look into files needs these, and each costs a start 20 to 100 ms. */
const HEAVY = ["@grpc/proto-loader", "lowdb", "oauth4webapi", "pino", "undici", "zod"];

/** What is loaded with some of the programs' files, before any of their code runs. */
function packagesOf(...files: readonly string[]): ReadonlySet<string> {
  const packages = new Set<string>();
  const seen = new Set(files);
  for (const file of seen) {
    for (const [, from = ""] of readFileSync(join(BIN, file), "utf8").matchAll(
      /^import (?:[^"\n]* from )?"([^"]+)";$/gm,
    )) {
      if (from.startsWith("./")) seen.add(from.slice(2));
      else if (!from.startsWith("node:")) packages.add(from);
    }
  }
  return packages;
}

/** The files that begin with a module of this name. */
function filesOf(module: string): readonly string[] {
  const found = readdirSync(BIN).filter((name) => new RegExp(`^${module}-[\\w-]{8}\\.js$`).test(name));
  if (found.length === 0) throw new Error(`there is no file of ${module}`);
  return found;
}

describe("a command that only asks the broker loads what the asking needs", () => {
  test.each(["acquire", "token", "report", "run", "codex"])("%s", (command) => {
    const packages = packagesOf("auth-broker.js", ...filesOf(command));
    expect(packages).toContain("@grpc/grpc-js");
    for (const name of HEAVY) expect(packages).not.toContain(name);
  });

  test("auth-broker-codex", () => {
    const packages = packagesOf("auth-broker-codex.js");
    for (const name of [...HEAVY, "commander"]) expect(packages).not.toContain(name);
  });
});

test("a broker loads before it serves what serving needs", () => {
  const packages = packagesOf("auth-broker.js", ...filesOf("serve"), ...filesOf("daemon"));
  for (const name of ["@grpc/proto-loader", "lowdb", "zod"]) expect(packages).toContain(name);
  for (const name of ["oauth4webapi", "undici"]) expect(packages).not.toContain(name);
});
