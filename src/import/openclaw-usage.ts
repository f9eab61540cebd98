import { isName } from "../domain/claimed-account.ts";
import type { Outcome } from "../domain/outcome.ts";
import { instantMs, type JsonObject, textOf } from "./fields.ts";
import type { ImportedCooldown } from "./item.ts";

/** Reasons of OpenClaw's transient window that say something about the account. */
const COOLDOWN_REASONS: ReadonlyMap<string, Outcome> = new Map([
  ["rate_limit", "RATE_LIMIT"],
  ["billing", "BILLING"],
]);

export interface UsageReading {
  readonly cooldowns: readonly ImportedCooldown[];
  /** What was running there and is not taken over, for a person. */
  readonly warning?: string;
}

/**
 * Reads one entry of OpenClaw's `usageStats`: three windows side by side, of which only `blocked` is
 * the provider's own word. Windows that are over are left out.
 */
export function readUsage(stats: JsonObject, nowMs: number): UsageReading {
  const running = (value: unknown): number | undefined => {
    const untilMs = instantMs(value);
    return untilMs !== undefined && untilMs > nowMs ? untilMs : undefined;
  };
  const cooldowns: ImportedCooldown[] = [];
  const cooldownMs = running(stats.cooldownUntil);
  const cooldown = COOLDOWN_REASONS.get(textOf(stats.cooldownReason) ?? "rate_limit");
  if (cooldownMs !== undefined && cooldown !== undefined) {
    const named = cooldown === "RATE_LIMIT" ? textOf(stats.cooldownModel) : undefined;
    const model = isName(named) ? named : "";
    cooldowns.push({ model, outcome: cooldown, source: "GUESS", untilMs: cooldownMs });
  }
  const blockedMs = running(stats.blockedUntil);
  if (blockedMs !== undefined) {
    cooldowns.push({ model: "", outcome: "USAGE_LIMIT", source: "PROVIDER", untilMs: blockedMs });
  }
  const disabledMs = running(stats.disabledUntil);
  const disabledReason = textOf(stats.disabledReason) ?? "billing";
  if (disabledMs === undefined) return { cooldowns };
  if (disabledReason !== "billing") {
    return {
      cooldowns,
      warning: "was set aside by OpenClaw after its login had been refused; that is not taken over",
    };
  }
  return {
    cooldowns: [...cooldowns, { model: "", outcome: "BILLING", source: "GUESS", untilMs: disabledMs }],
  };
}
