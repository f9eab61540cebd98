import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { run } from "./process.mjs";

const ROOT = resolve(import.meta.dirname, "../..");

/**
 * Compiles a program of the tests with everything it imports, so that plain `node` of any version
 * can run it. Gives the file to run and what removes it.
 */
export async function compiled(
  program: string,
): Promise<{ readonly file: string; readonly remove: () => void }> {
  const outDir = mkdtempSync(join(tmpdir(), "compiled-"));
  const options =
    "--ignoreConfig --noCheck --types node --module nodenext --target es2023 --verbatimModuleSyntax";
  const { code, stdout } = await run(process.execPath, [
    join(ROOT, "node_modules/typescript/bin/tsc"),
    ...`${options} --rewriteRelativeImportExtensions`.split(" "),
    ...["--rootDir", ROOT, "--outDir", outDir, join(ROOT, program)],
  ]);
  if (code !== 0) throw new Error(`tsc: ${stdout}`);
  writeFileSync(join(outDir, "package.json"), '{"type":"module"}');
  symlinkSync(join(ROOT, "node_modules"), join(outDir, "node_modules"));
  return {
    file: join(outDir, program.replace(/\.ts$/, ".js")),
    remove: () => rmSync(outDir, { recursive: true }),
  };
}
