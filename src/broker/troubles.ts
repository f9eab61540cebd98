import type { Outcome } from "../domain/outcome.ts";
import { backoffMs, type Settings, STRIKES_FORGOTTEN_MS } from "../domain/settings.ts";
import type { Now } from "../domain/time.ts";

interface Row {
  readonly count: number;
  readonly lastMonoMs: number;
}

/** How often a provider failed in a row, for advice only; in memory, and never held against an account. */
export class Troubles {
  readonly #settings: Settings;
  readonly #rows = new Map<string, Row>();

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** Counts an outcome. Gives the delay to advise, or undefined if it is not about the provider. */
  note(provider: string, outcome: Outcome, now: Now): number | undefined {
    if (outcome === "OK") {
      this.#rows.delete(provider);
      return undefined;
    }
    if (outcome !== "OVERLOADED" && outcome !== "SERVER_ERROR") return undefined;
    const row = this.#rows.get(provider);
    const isForgotten = row === undefined || now.monoMs - row.lastMonoMs >= STRIKES_FORGOTTEN_MS;
    const count = isForgotten ? 1 : row.count + 1;
    this.#rows.set(provider, { count, lastMonoMs: now.monoMs });
    return backoffMs(this.#settings.cooldown.steps[outcome], count - 1);
  }
}
