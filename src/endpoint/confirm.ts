import { type ChildProcess, spawn } from "node:child_process";
import type { Confirm } from "./policy.ts";

/** A no holds for so long, so that nobody is asked until the wrong button is hit. */
const NO_HOLDS_MS = 60_000;
/** Questions that may wait for a person; more are a no. */
const MOST_WAITING = 16;

/** What a person is told, as one JSON object on the program's standard input. */
export type Question = Readonly<Record<string, string | number>>;

interface Answer {
  readonly isYes: boolean;
  readonly untilMs: number;
}

/**
 * Asks a person through a program of theirs, one question at a time: whether this may be handed out. Moments are
 * monotonic milliseconds.
 */
export class Confirmations {
  readonly #confirm: Confirm;
  readonly #nowMs: () => number;
  readonly #warn: (message: string) => void;
  readonly #answers = new Map<string, Answer>();
  readonly #open = new Map<string, Promise<boolean>>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(confirm: Confirm, nowMs: () => number, warn: (message: string) => void) {
    this.#confirm = confirm;
    this.#nowMs = nowMs;
    this.#warn = warn;
  }

  /** True if the answer was, or still is, a yes. Questions with the same key are one. Never rejects. */
  ask(key: string, question: Question): boolean | Promise<boolean> {
    const known = this.#answers.get(key);
    if (known !== undefined && known.untilMs > this.#nowMs()) return known.isYes;
    const open = this.#open.get(key);
    if (open !== undefined) return open;
    if (this.#open.size >= MOST_WAITING) return false;
    // Some failures of a start are thrown, others are told by an event.
    const asked = this.#last
      .then(() => this.#run(question))
      .catch((error: unknown) => {
        this.#warnOf(error);
        return false;
      });
    this.#last = asked;
    const answered = asked.then((isYes) => {
      this.#open.delete(key);
      this.#remember(key, isYes);
      return isYes;
    });
    this.#open.set(key, answered);
    return answered;
  }

  #remember(key: string, isYes: boolean): void {
    const now = this.#nowMs();
    for (const [other, { untilMs }] of this.#answers) if (untilMs <= now) this.#answers.delete(other);
    this.#answers.set(key, { isYes, untilMs: now + (isYes ? this.#confirm.rememberMs : NO_HOLDS_MS) });
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
