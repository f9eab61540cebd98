import type { Outcome } from "../../src/domain/outcome.ts";
import type { Cooldown } from "../../src/domain/profile.ts";
import { after } from "../../src/domain/time.ts";
import { FIXED_NOW as NOW, profileWith } from "./arbitrary.ts";

const HOUR = 3_600_000;

export const limit = (ms: number, part: Partial<Cooldown> = {}): Cooldown => ({
  model: "",
  outcome: "USAGE_LIMIT",
  source: "GUESS",
  setAtMs: NOW.wallMs,
  until: after(NOW, ms),
  halfOpen: true,
  ...part,
});
export const strikes = (
  outcome: Outcome,
  count: number,
  part: { model?: string; lastAtMs?: number } = {},
) => ({
  model: "",
  outcome,
  count,
  lastAtMs: NOW.wallMs - HOUR,
  ...part,
});
export const of = (...cooldowns: Cooldown[]) => profileWith({ cooldowns });
