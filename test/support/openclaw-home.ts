import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fakeJwt } from "./jwt.ts";

const HOUR_MS = 3_600_000;

export interface OpenclawHomeOptions {
  /**
   * What the second agent keeps: no file, an empty store, a copy of main's, or a copy made before
   * main's logins were last refreshed.
   */
  readonly solenne: "absent" | "empty" | "copy" | "outdated-copy";
  /** The order also names a login that is no longer there. */
  readonly staleOrderId?: boolean;
  /** Codex itself is logged in too, to an account that no agent of OpenClaw knows. */
  readonly codexHome?: true;
  /** The first login's plan window is used up for five days. */
  readonly limited?: true;
  /** The present moment, wall clock. */
  readonly nowMs?: number;
}

export interface OpenclawHome {
  readonly stateDir: string;
  /** Where Codex's files are (or would be). */
  readonly codexHome: string;
  readonly blockedUntilMs: number;
}

/** Ids of the two logins of agent `main`, in the order of its configuration. */
export const SEED_PROFILES = ["openai-codex:outlook@example.test", "openai-codex:xxx@example.test"] as const;

/**
 * A home directory with two agents of OpenClaw's file era: `main` holds two ChatGPT logins and an
 * order written under `openai`, `solenne` has what was asked for.
 */
export async function writeOpenclawHome(home: string, options: OpenclawHomeOptions): Promise<OpenclawHome> {
  const nowMs = options.nowMs ?? Date.now();
  const stateDir = join(home, ".openclaw");
  const codexHome = join(home, ".codex");
  const blockedUntilMs = nowMs + 5 * 24 * HOUR_MS;
  const agentFile = (agent: string, name: string) => join(stateDir, "agents", agent, "agent", name);
  const order = [...SEED_PROFILES, ...(options.staleOrderId ? ["openai-codex:gone@example.test"] : [])];

  await writeText(
    join(stateDir, "openclaw.json"),
    `// written by hand\n{ auth: { order: { openai: ${JSON.stringify(order)}, }, }, }\n`,
  );
  await writeJson(agentFile("main", "auth-profiles.json"), seedStore(nowMs - HOUR_MS));
  if (options.limited) {
    const [first, second] = SEED_PROFILES;
    await writeJson(agentFile("main", "auth-state.json"), {
      version: 1,
      lastGood: { "openai-codex": second },
      usageStats: {
        [first]: { blockedUntil: blockedUntilMs, blockedReason: "subscription_limit", errorCount: 1 },
      },
    });
  }
  await mkdir(join(stateDir, "agents", "solenne", "agent"), { recursive: true });
  if (options.solenne !== "absent")
    await writeJson(agentFile("solenne", "auth-profiles.json"), solenneStore(options, nowMs));
  if (options.codexHome) await writeJson(join(codexHome, "auth.json"), phantomLogin(nowMs));
  return { stateDir, codexHome, blockedUntilMs };
}

function solenneStore({ solenne }: OpenclawHomeOptions, nowMs: number): unknown {
  if (solenne === "empty") return { version: 1, profiles: {} };
  return seedStore(solenne === "copy" ? nowMs - HOUR_MS : nowMs - 100 * HOUR_MS);
}

function seedStore(issuedAtMs: number): unknown {
  return {
    version: 1,
    profiles: {
      [SEED_PROFILES[0]]: chatgptEntry("outlook", issuedAtMs),
      [SEED_PROFILES[1]]: chatgptEntry("xxx", issuedAtMs),
    },
  };
}

function chatgptEntry(name: string, issuedAtMs: number): unknown {
  return {
    type: "oauth",
    provider: "openai-codex",
    ...chatgptTokens(name, issuedAtMs),
    expires: issuedAtMs + 240 * HOUR_MS,
    accountId: `acct-${name}`,
    email: `${name}@example.test`,
    chatgptPlanType: "plus",
  };
}

function phantomLogin(nowMs: number): unknown {
  const { access, refresh, idToken } = chatgptTokens("phantom", nowMs);
  return {
    auth_mode: "chatgpt",
    OPENAI_API_KEY: null,
    tokens: { access_token: access, refresh_token: refresh, id_token: idToken, account_id: "acct-phantom" },
    last_refresh: new Date(nowMs).toISOString(),
  };
}

/** Fabricated tokens as ChatGPT issues them; issued at different times they differ. */
export function chatgptTokens(
  name: string,
  issuedAtMs: number,
): { readonly access: string; readonly refresh: string; readonly idToken: string } {
  const iat = Math.floor(issuedAtMs / 1_000);
  const auth = {
    chatgpt_account_id: `acct-${name}`,
    chatgpt_user_id: `user-${name}`,
    chatgpt_plan_type: "plus",
  };
  const claims = { iat, exp: iat + 240 * 3_600, "https://api.openai.com/auth": auth };
  return {
    access: fakeJwt(claims),
    refresh: `rt-FAKE-${name}-${iat}`,
    idToken: fakeJwt({ ...claims, email: `${name}@example.test` }),
  };
}

export async function writeJson(path: string, value: unknown): Promise<void> {
  await writeText(path, `${JSON.stringify(value, undefined, 2)}\n`);
}

export async function writeText(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text, { mode: 0o600 });
}
