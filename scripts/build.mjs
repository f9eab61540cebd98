// Builds dist/ from src/ and proto/. Needs the dev dependencies and no network.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import "./descriptors.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

const compiler = spawnSync(process.execPath, [`${ROOT}node_modules/typescript/bin/tsc`], {
  cwd: ROOT,
  stdio: "inherit",
});
if (compiler.status !== 0) process.exit(compiler.status ?? 1);

// The compiler drops the executable bit, and a linked package runs these files as they lie.
const { bin } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8"));
for (const file of Object.values(bin)) {
  if (existsSync(`${ROOT}${file}`)) chmodSync(`${ROOT}${file}`, 0o755);
}
