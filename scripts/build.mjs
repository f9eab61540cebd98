// Builds dist/ from src/ and proto/, and bin/ from dist/. Needs the dev dependencies and no network.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
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

// The programs in few files: each module of its own costs every start half a millisecond, and there are about two
// hundred. What is imported late stays late; what four or more such parts need is one file; packages stay outside.
rmSync(`${ROOT}bin`, { recursive: true, force: true });
const program = await rolldown({
  cwd: ROOT,
  input: { "auth-broker": "dist/cli/main.js", "auth-broker-codex": "dist/cli/codex-main.js" },
  external: /^[^./]/,
  platform: "node",
});
await program.write({
  dir: "bin",
  entryFileNames: "[name].js",
  chunkFileNames: "[name]-[hash].js",
  codeSplitting: {
    groups: [
      { name: "shared", minShareCount: 4, test: /dist\/(?!cli\/(?!output\.js)|config|key|store\/)/ },
      // Knows zod, which no command needs that only asks.
      { name: "shared-state", minShareCount: 4, test: /dist\/(config|key|store\/)/ },
      // Knows commander, which auth-broker-codex does not need.
      { name: "shared-cli", minShareCount: 4, test: /dist\/cli\// },
    ],
  },
});
await program.close();

// A linked package runs these files as they lie.
const { bin } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8"));
for (const file of Object.values(bin)) chmodSync(`${ROOT}${file}`, 0o755);
