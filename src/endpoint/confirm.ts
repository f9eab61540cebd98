import { type ChildProcess, spawn } from "node:child_process";
import type { Confirm } from "./policy.ts";

/** A no holds for so long, so that nobody is asked until the wrong button is hit. */
const NO_HOLDS_MS = 60_000;
/** Questions that may wait for a person; more are a no. */
const MOST_WAITING = 16;

/** What a person is told, as one JSON object on the program's standard input. */
export type Question = Readonly<Record<string, string | number>>;

/**
 * Asks a person through a program of theirs, one question at a time: whether this may be handed out. Moments are
 * monotonic milliseconds.
 */
export class Confirmations {
  readonly #confirm: Confirm;
  readonly #nowMs: () => number;
  readonly #warn: (message: string) => void;
  /** When a user's no ends. */
  readonly #noUntilMs = new Map<string, number>();
  /** When a yes ends, by what it was said to. */
  readonly #yesUntilMs = new Map<string, number>();
  readonly #open = new Map<string, Promise<boolean>>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(confirm: Confirm, nowMs: () => number, warn: (message: string) => void) {
    this.#confirm = confirm;
    this.#nowMs = nowMs;
    this.#warn = warn;
  }

  /**
   * True if the answer was, or still is, a yes. A no holds for all that the user's programs ask, a yes for `what` alone;
   * questions of a user with the same `what` are one. Never rejects.
   */
  ask(user: string, what: string, question: Question): boolean | Promise<boolean> {
    const key = `${user} ${what}`;
    if (this.#holds(this.#noUntilMs.get(user))) return false;
    if (this.#holds(this.#yesUntilMs.get(key))) return true;
    const open = this.#open.get(key);
    if (open !== undefined) return open;
    if (this.#open.size >= MOST_WAITING) return false;
    const answered = this.#last.then(() => this.#answer(user, key, question));
    this.#last = answered;
    this.#open.set(key, answered);
    return answered;
  }

  async #answer(user: string, key: string, question: Question): Promise<boolean> {
    // The no came while this one waited for its turn.
    const isRefused = this.#holds(this.#noUntilMs.get(user));
    const isYes = !isRefused && (await this.#asked(question));
    if (!isRefused) this.#remember(user, key, isYes);
    this.#open.delete(key);
    return isYes;
  }

  /** Some failures of a start are thrown, others are told by an event. */
  async #asked(question: Question): Promise<boolean> {
    try {
      return await this.#run(question);
    } catch (error) {
      this.#warnOf(error);
      return false;
    }
  }

  #remember(user: string, key: string, isYes: boolean): void {
    const now = this.#nowMs();
    for (const [other, untilMs] of this.#yesUntilMs) if (untilMs <= now) this.#yesUntilMs.delete(other);
    if (isYes) this.#yesUntilMs.set(key, now + this.#confirm.rememberMs);
    else this.#noUntilMs.set(user, now + NO_HOLDS_MS);
  }

  #holds(untilMs = Number.NEGATIVE_INFINITY): boolean {
    return untilMs > this.#nowMs();
  }

  #warnOf(error: unknown): void {
    const [program = ""] = this.#confirm.command;
    const { code = "unknown error" } = error as NodeJS.ErrnoException;
    this.#warn(`the program that asks for a yes, "${program}", cannot be run (${code})`);
  }

  #run(question: Question): Promise<boolean> {
    const [program = "", ...args] = this.#confirm.command;
    return new Promise((resolve) => {
      // A group of its own, so that whatever it started ends with it.
      const child = spawn(program, args, {
        stdio: ["pipe", "ignore", "ignore"],
        detached: true,
        windowsHide: true,
      });
      const overdue = setTimeout(() => endGroup(child), this.#confirm.timeoutMs);
      const done = (isYes: boolean) => {
        clearTimeout(overdue);
        resolve(isYes);
      };
      child.once("error", (error) => {
        this.#warnOf(error);
        done(false);
      });
      child.once("exit", (code) => done(code === 0));
      child.stdin?.on("error", () => {});
      child.stdin?.end(`${JSON.stringify(question)}\n`);
      child.unref();
    });
  }
}

function endGroup(child: ChildProcess): void {
  try {
    if (child.pid === undefined || process.platform === "win32") child.kill("SIGKILL");
    else process.kill(-child.pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}
