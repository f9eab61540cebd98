import { existsSync, lstatSync, readFileSync, realpathSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import type { ImportContext, ImportedProfile, SourceName } from "../import/item.ts";
import { SOURCES } from "../import/sources.ts";
import { type Check, ok, warn } from "./doctor-check.ts";
import { bare, type ProfileView } from "./profile-view.ts";

/** Packages with the versions that this one was tried with. */
const TRIED = [
  { title: "OpenClaw", program: "openclaw", name: "openclaw", versions: ["2026.5.19", "2026.9.6"] },
  { title: "Codex CLI", program: "codex", name: "@openai/codex", versions: ["0.169.0"] },
] as const;

/** The versions of the programs that are installed here by npm. */
export function versionChecks(env: NodeJS.ProcessEnv): readonly Check[] {
  return TRIED.flatMap(({ title, program, name, versions }) => {
    const version = versionOf(program, name, env.PATH ?? "");
    if (version === undefined) return [];
    const tried = `tried with ${versions.join(" and ")}`;
    return [ok("version", `${title} ${version} is installed; auth-broker was ${tried}`)];
  });
}

function versionOf(program: string, name: string, path: string): string | undefined {
  const found = path
    .split(delimiter)
    .map((directory) => join(directory, program))
    .find(existsSync);
  if (found === undefined) return undefined;
  for (let place = dirname(realpathSync(found)); place !== dirname(place); place = dirname(place)) {
    try {
      const { name: own, version } = JSON.parse(readFileSync(join(place, "package.json"), "utf8"));
      if (own === name) return String(version);
    } catch {
      // No package of its own.
    }
  }
  return undefined;
}

/** Whether others can read a program's logins. Windows keeps no modes. */
export async function storeChecks(source: SourceName, context: ImportContext): Promise<readonly Check[]> {
  if (process.platform === "win32") return [];
  const stores = await SOURCES[source].stores(undefined, context);
  return stores.flatMap((path) => {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined || found.isSymbolicLink() || (found.mode & 0o077) === 0) return [];
    const mode = (found.mode & 0o777).toString(8);
    return [warn("login", `${path} is open to others (mode ${mode})`, `chmod go= ${path}`)];
  });
}

/** OpenClaw's file era makes a profile of its own out of Codex's login, which joins every rotation. */
export function phantomChecks(profiles: readonly ImportedProfile[]): readonly Check[] {
  const codex = profiles.find(({ source, provider }) => source === "codex" && provider === "openai-codex");
  const hasFiles = profiles.some(
    ({ source, sourcePath }) => source === "openclaw" && sourcePath.endsWith(".json"),
  );
  if (codex === undefined || !hasFiles) return [];
  return [
    warn(
      "login",
      `${codex.sourcePath}: OpenClaw up to 2026.5 makes a profile openai-codex:default out of it that nobody ordered (seen with 2026.5.19)`,
      "let OpenClaw ask the broker (auth-broker openclaw setup), or update it",
    ),
  ];
}

/** What became, in a program's files, of logins that came from there. */
export function originChecks(
  profiles: readonly ImportedProfile[],
  kept: readonly ProfileView[],
): readonly Check[] {
  return kept.flatMap(({ profile, provider, ownership, state, stateReason, sourcePath }) => {
    if (sourcePath === "") return [];
    const there = profiles.filter((login) => login.sourcePath === sourcePath && login.provider === provider);
    const own = there.find((login) => login.id === profile);
    const isSole = bare(ownership) === "SOLE";
    const refreshes = own?.grant.kind === "oauth" && own.grant.refreshToken !== undefined;
    if (isSole && refreshes) {
      const message = `${profile} was taken over, and ${sourcePath} has a login of its own for the same account again`;
      return [warn("login", message, `auth-broker import ${own.source} --take-over does it again`)];
    }
    const isEnded = bare(state) === "NEEDS_LOGIN" || stateReason === "LOGIN_REQUIRED";
    const [other] = there;
    if (!isEnded || own !== undefined || other === undefined) return [];
    const message = `${profile} was ended, and ${sourcePath} belongs to another account by now (${other.id})`;
    return [warn("login", message, `auth-broker login ${provider}`)];
  });
}
