// Builds dist/ from src/ and proto/. Needs the dev dependencies and no network.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import "./descriptors.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

const compiler = spawnSync(process.execPath, [`${ROOT}node_modules/typescript/bin/tsc`], {
  cwd: ROOT,
  stdio: "inherit",
});
if (compiler.status !== 0) process.exit(compiler.status ?? 1);

// What was compiled from a source that is gone would still be published.
for (const name of readdirSync(`${ROOT}dist`, { recursive: true, encoding: "utf8" })) {
  const [, module] = name.match(/^(.*?)(?:\.d\.ts|\.js)$/) ?? [];
  if (module !== undefined && !existsSync(`${ROOT}src/${module}.ts`)) rmSync(`${ROOT}dist/${name}`);
}

// The compiler drops the executable bit, and a linked package runs these files as they lie.
const { bin } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8"));
for (const file of Object.values(bin)) {
  if (existsSync(`${ROOT}${file}`)) chmodSync(`${ROOT}${file}`, 0o755);
}
