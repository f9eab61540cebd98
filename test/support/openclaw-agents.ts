import { join } from "node:path";
import type { ImportContext, ImportPlan } from "../../src/import/item.ts";
import { readSource } from "../../src/import/sources.ts";
import { importHome, NOW_MS } from "./import-home.ts";
import {
  chatgptTokens,
  type OpenclawHomeOptions,
  writeJson,
  writeOpenclawHome,
  writeText,
} from "./openclaw-home.ts";

export const HOUR_MS = 3_600_000;

/** The reported case in a home of its own, and what is read there. */
export async function readSeed(
  options: OpenclawHomeOptions,
): Promise<{ readonly context: ImportContext; readonly plan: ImportPlan }> {
  const context = await importHome();
  await writeOpenclawHome(context.home, { ...options, nowMs: NOW_MS });
  return { context, plan: await readSource("openclaw", undefined, context) };
}

export function agentFile(context: ImportContext, agent: string, name = "auth-profiles.json"): string {
  return join(context.home, ".openclaw", "agents", agent, "agent", name);
}

/** Reads an installation in which each agent has these profiles and this state. */
export async function readAgents(
  agents: Readonly<Record<string, { readonly profiles?: unknown; readonly state?: unknown }>>,
  config?: string,
): Promise<ImportPlan> {
  const context = await importHome();
  for (const [agent, { profiles, state }] of Object.entries(agents)) {
    if (profiles !== undefined) await writeJson(agentFile(context, agent), { version: 1, profiles });
    if (state !== undefined) await writeJson(agentFile(context, agent, "auth-state.json"), state);
  }
  if (config !== undefined) await writeText(join(context.home, ".openclaw", "openclaw.json"), config);
  return readSource("openclaw", undefined, context);
}

/** A ChatGPT login whose tokens tell the account. */
export function chatgpt(
  name: string,
  issuedAtMs = NOW_MS - HOUR_MS,
  more: Readonly<Record<string, unknown>> = {},
) {
  return { type: "oauth", provider: "openai-codex", ...chatgptTokens(name, issuedAtMs), ...more };
}

/** A login whose tokens tell nothing. */
export function opaque(refresh: string, more: Readonly<Record<string, unknown>> = {}) {
  return { type: "oauth", provider: "anthropic", access: `at-${refresh}`, refresh, ...more };
}

export function apiKey(key: string) {
  return { type: "api_key", provider: "anthropic", key };
}

export function idsOf(plan: ImportPlan): readonly string[] {
  return plan.profiles.map(({ id }) => id);
}
