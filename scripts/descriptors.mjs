// Writes dist/authbroker.binpb, the descriptors that server reflection serves: every file under
// proto/ with its imports. Does nothing while it is newer than all of them.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const OUTPUT = `${ROOT}dist/authbroker.binpb`;

const sources = readdirSync(`${ROOT}proto`, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".proto"))
  .map((name) => `${ROOT}proto/${name}`);
const newest = Math.max(...[...sources, `${ROOT}buf.yaml`].map((file) => statSync(file).mtimeMs));

if ((statSync(OUTPUT, { throwIfNoEntry: false })?.mtimeMs ?? 0) <= newest) {
  mkdirSync(`${ROOT}dist`, { recursive: true });
  execFileSync(
    process.execPath,
    [
      `${ROOT}node_modules/@bufbuild/buf/bin/buf`,
      "build",
      "--as-file-descriptor-set",
      "--exclude-source-info",
      "--output",
      OUTPUT,
    ],
    { cwd: ROOT, stdio: "inherit" },
  );
}
