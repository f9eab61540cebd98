import { TRIAL_MS } from "../domain/settings.ts";
import { after, type Deadline, type Now, reached, wallOf } from "../domain/time.ts";
import type { Alarm } from "./alarm.ts";
import type { Channel } from "./lease-text.ts";

interface Trial {
  readonly profile: string;
  readonly model: string;
  /** Wall-clock moment at which the trial's lease was issued. */
  readonly begunAtMs: number;
  readonly until: Deadline;
  readonly cancel: () => void;
}

/** Running trials after guessed plan limits. In memory: after a restart the next caller tries anew. */
export class Trials {
  readonly #alarm: Alarm;
  readonly #running = new Map<string, Trial>();

  constructor(alarm: Alarm) {
    this.#alarm = alarm;
  }

  /** Begins a trial; `onSilence` is called if nobody ends it in time. */
  begin(profile: string, model: string, channel: Channel, now: Now, onSilence: () => void): void {
    const key = keyOf(profile, model, channel);
    this.#running.get(key)?.cancel();
    const until = after(now, TRIAL_MS);
    const cancel = this.#alarm.at(until, () => {
      this.#running.delete(key);
      onSilence();
    });
    this.#running.set(key, { profile, model, begunAtMs: now.wallMs, until, cancel });
  }

  /** Wall-clock end of a running trial of this channel, or undefined. */
  untilMs(profile: string, model: string, channel: Channel, now: Now): number | undefined {
    const trial = this.#running.get(keyOf(profile, model, channel));
    return trial === undefined || reached(trial.until, now) ? undefined : wallOf(trial.until, now);
  }

  isRunning(profile: string, now: Now): boolean {
    for (const trial of this.#running.values()) {
      if (trial.profile === profile && !reached(trial.until, now)) return true;
    }
    return false;
  }

  /**
   * Ends the trials of a profile that concern `model` on one channel and that a lease of `issuedAtMs`
   * stands for, not later ones of others; gives the models that were on trial.
   */
  end(profile: string, model: string, channel: Channel, issuedAtMs: number): readonly string[] {
    const ended: string[] = [];
    for (const on of model === "" ? [""] : ["", model]) {
      const key = keyOf(profile, on, channel);
      const trial = this.#running.get(key);
      if (trial?.begunAtMs !== issuedAtMs) continue;
      trial.cancel();
      this.#running.delete(key);
      ended.push(on);
    }
    return ended;
  }

  /** Ends every trial of a profile, because an operator said so or it is gone. */
  endAll(profile: string): void {
    for (const [key, trial] of this.#running) {
      if (trial.profile !== profile) continue;
      trial.cancel();
      this.#running.delete(key);
    }
  }
}

function keyOf(profile: string, model: string, channel: Channel): string {
  return `${channel} ${profile} ${model}`;
}
