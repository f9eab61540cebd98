import { lstatSync } from "node:fs";
import { chmod, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { OpenclawError } from "./error.ts";

/** Variables that say where the broker is. OpenClaw starts its helpers without any. */
const PLACES = [...["AUTH_BROKER_HOME", "AUTH_BROKER_SOCKET", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "HOME"]];

/** The content of a program that OpenClaw may start: absolute interpreter, no shebang through `env`. */
export function wrapperText(
  node: string,
  script: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): string {
  const places = PLACES.flatMap((name) => (env[name] ? [`${name}=${quoted(env[name])}`] : []));
  return [
    "#!/bin/sh",
    "# Made by `auth-broker openclaw setup`; do it again after auth-broker or Node has moved.",
    ...(places.length > 0 ? [`export ${places.join(" ")}`] : []),
    `exec ${[node, script, ...args].map(quoted).join(" ")} "$@"`,
    "",
  ].join("\n");
}

/**
 * Writes it as a file that OpenClaw accepts: regular, ours, writable for nobody else (2026.9.6, tried).
 * Rejects with `OpenclawError`.
 */
export async function writeWrapper(path: string, text: string): Promise<void> {
  if (process.platform === "win32") {
    throw new OpenclawError(
      78,
      "OpenClaw on Windows starts only .exe files as helpers",
      "use the plugin route",
    );
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.tmp`;
  await rm(draft, { force: true });
  await writeFile(draft, text, { mode: 0o700, flag: "wx" });
  await chmod(draft, 0o700);
  await rename(draft, path);
  if (!lstatSync(path).isFile()) throw new OpenclawError(74, `${path} is no regular file`);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
