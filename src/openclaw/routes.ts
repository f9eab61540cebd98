import { field, type Patch } from "./patch.ts";

/** The three ways for OpenClaw to the broker. */
export const ROUTES = ["plugin", "secrets", "codex"] as const;
export type Route = (typeof ROUTES)[number];

/** Names under which the broker stands in OpenClaw's configuration. */
const NAME = "authbroker";
/**
 * OpenClaw begins no turn of the Codex harness without a login whose token names an account (2026.9.6,
 * measured); the launcher puts the broker's login in its place. This one is no secret and serves nowhere else.
 */
const CODEX_HANDLE = [
  ...[{ alg: "none" }, { "https://api.openai.com/auth": { chatgpt_account_id: "auth-broker" } }].map((part) =>
    Buffer.from(JSON.stringify(part)).toString("base64url"),
  ),
  NAME,
].join(".");
/** Gives OpenClaw that login, unless it has one of its own. */
export const CODEX_LOGIN = `echo ${CODEX_HANDLE} | openclaw models auth --agent main paste-token --provider openai --profile-id openai:${NAME}`;
/** A start of Node and one request: a second, but five on a busy machine, which is OpenClaw's own default. */
const TIMEOUT_MS = 20_000;

/** Model requests of OpenClaw itself: the plugin in this package, which asks before each of them. */
export function pluginPatch(packageRoot: string, before: unknown): Patch {
  const paths = field(field(field(before, "plugins"), "load"), "paths");
  const others = Array.isArray(paths) ? paths.filter((path) => path !== packageRoot) : [];
  // A list takes the place of the one that was there.
  return { plugins: { load: { paths: [...others, packageRoot] }, entries: { [NAME]: { enabled: true } } } };
}

/** Keys that OpenClaw reads at its start: `ids` by the id of OpenClaw's provider that wants one. */
export function secretsPatch(command: string, ids: Readonly<Record<string, string>>): Patch {
  const reference = (id: string) => ({ source: "exec", provider: NAME, id });
  const providers = Object.entries(ids).map(([name, id]) => [name, { apiKey: reference(id) }]);
  return {
    secrets: {
      providers: { [NAME]: { source: "exec", command, jsonOnly: true, timeoutMs: TIMEOUT_MS } },
    },
    ...(providers.length > 0 && { models: { providers: Object.fromEntries(providers) } }),
  };
}

/** The Codex harness: its app-server is started by the broker's launcher. */
export function codexPatch(command: string): Patch {
  return { plugins: { entries: { codex: { config: { appServer: { command } } } } } };
}
