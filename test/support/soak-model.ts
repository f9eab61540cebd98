import type { Now } from "../../src/domain/time.ts";

export type Rotation = "strict" | "grace" | "none";

/** How the token endpoint treats a request. */
export const FAULTS = [
  "fine",
  "not connected",
  "busy",
  "a page",
  "broken before it was heard",
  "broken after it was heard",
] as const;
export type Fault = (typeof FAULTS)[number];

const GRACE_MS = 30_000;
export const LIFE_SEC = 3_600;

interface Moment {
  readonly wallMs: number;
  monoMs: number;
  /** Its whole length; a restart never makes it longer. */
  readonly lengthMs: number;
}

/** A violated promise. */
export class Broken extends Error {}

function holds(condition: boolean, what: string): void {
  if (!condition) throw new Broken(what);
}

/**
 * One login as the server, the disk and the callers know it: what was issued, what a caller was shown and
 * must therefore be durable, and what callers reported.
 */
export class Login {
  readonly id: string;
  readonly rotation: Rotation;
  /** Access tokens and their ends. */
  readonly #issued = new Map<string, Moment>();
  /** Refresh tokens in the order in which they were given out. */
  readonly #refresh: string[] = [];
  readonly #spentAtMs = new Map<string, number>();
  /**
   * How often each refresh token was sent, answers apart that leave it as it was. A second time only after
   * an answer was lost, be it on its way or, a moment later, with the process that had not yet written it down.
   */
  readonly #sent = new Map<string, number>();
  /** The server ended the login. */
  isDead = false;
  /** Refresh tokens before this one are known to be spent: a caller has seen what replaced them. */
  #floor = 0;
  #generation = 0;
  readonly #refused = new Set<string>();
  #refusals = 0;
  /** What the operator ordered to be sent again. */
  orders = 0;
  #cooling: Moment | undefined;
  /** A limit whose end the broker guessed: this long at least. */
  #guess: Moment | undefined;
  /** A limit may run that nobody was told of. */
  #isUnsure = false;
  /** An order that was answered for leaves this login out. */
  isOutside = false;
  inFlight = 0;
  #n = 0;

  constructor(id: string, rotation: Rotation) {
    this.id = id;
    this.rotation = rotation;
  }

  /** New tokens, as after a login. */
  loggedIn(now: Now): { readonly accessToken: string; readonly refreshToken: string } {
    const tokens = this.#issue(now);
    this.isDead = false;
    this.#refusals = 0;
    return tokens;
  }

  /** The profile is gone, and what was known of its account with it. */
  removed(): void {
    this.#generation = 0;
    this.cleared();
  }

  /** The put of a login was answered: what came before is over. */
  taken(): void {
    this.#floor = this.#refresh.length - 1;
  }

  knows(refreshToken: string): boolean {
    return this.#refresh.includes(refreshToken);
  }

  /** A refresh request of a living broker arrives. */
  sent(refreshToken: string): void {
    holds(this.inFlight === 0, `${this.id}: two refreshes are in flight`);
    const place = this.#refresh.indexOf(refreshToken);
    holds(place >= this.#floor, `${this.id}: a refresh token is sent that a caller saw replaced`);
    const times = this.#sent.get(refreshToken) ?? 0;
    const isLimited = this.rotation !== "none";
    holds(
      !isLimited || times < 2 + this.orders,
      `${this.id}: sent ${times} times without an answer, and again`,
    );
    this.#sent.set(refreshToken, times + 1);
    this.inFlight += 1;
  }

  /** The server said "not now": the token is as if it had not been sent. */
  spared(refreshToken: string): void {
    this.#sent.set(refreshToken, (this.#sent.get(refreshToken) ?? 0) - 1);
  }

  /** The process died with this intent open, which counts as sent. True if nothing had arrived. */
  interrupted(refreshToken: string, replay: number): boolean {
    const times = this.#sent.get(refreshToken) ?? 0;
    this.#sent.set(refreshToken, Math.max(times, replay + 1));
    return times <= replay;
  }

  /** What the server makes of a request, by its own clock: new tokens, or undefined for `invalid_grant`. */
  heard(
    refreshToken: string,
    now: Now,
    serverMs: number,
  ): { readonly accessToken: string; readonly refreshToken: string } | undefined {
    if (this.isDead) return undefined;
    const spentAtMs = this.#spentAtMs.get(refreshToken);
    const isOver = spentAtMs !== undefined && !(this.rotation === "grace" && serverMs < spentAtMs + GRACE_MS);
    if (isOver || !this.knows(refreshToken)) {
      this.isDead = true;
      return undefined;
    }
    if (this.rotation !== "none") this.#spentAtMs.set(refreshToken, spentAtMs ?? serverMs);
    return this.#issue(now, this.rotation === "none" ? refreshToken : undefined);
  }

  /** A caller was given this. */
  given(accessToken: string, generation: number, minValidMs: number, now: Now): void {
    const end = this.#issued.get(accessToken);
    if (end === undefined) throw new Broken(`${this.id}: a token that nobody issued`);
    holds(
      left(end, now) >= minValidMs && left(end, now) > 0,
      `${this.id}: a token that ends in ${left(end, now)} ms`,
    );
    holds(!this.#refused.has(accessToken), `${this.id}: a token that was refused`);
    holds(
      this.#cooling === undefined || left(this.#cooling, now) === 0,
      `${this.id}: given although it cools down`,
    );
    holds(
      this.#guess === undefined || left(this.#guess, now) === 0,
      `${this.id}: given before the end of a guessed limit`,
    );
    holds(!this.isOutside, `${this.id}: given although the order leaves it out`);
    this.saw(generation);
    if (this.rotation === "none") return;
    const n = accessToken.slice(accessToken.lastIndexOf("-"));
    const place = this.#refresh.findIndex((token) => token.endsWith(n));
    holds(place >= this.#floor, `${this.id}: an older grant than one that was seen`);
    this.#floor = place;
  }

  saw(generation: number): void {
    holds(generation >= this.#generation, `${this.id}: generation ${generation} after ${this.#generation}`);
    this.#generation = generation;
  }

  /** A refusal of the current token was taken note of. */
  refused(accessToken: string): void {
    this.#refused.add(accessToken);
    this.#refusals += 1;
  }

  /** A refusal was told, and the answer does not say what became of it. */
  mayBeRefused(): void {
    this.#refusals += 1;
  }

  /** A stated limit was taken note of, for good. */
  coolsUntil(wallMs: number, now: Now): void {
    const lengthMs = wallMs - now.wallMs;
    const moment = { wallMs, monoMs: now.monoMs + lengthMs, lengthMs };
    if (this.#cooling === undefined || left(this.#cooling, now) < lengthMs) this.#cooling = moment;
    // Of the same outcome it takes the guess's place, though it may be earlier.
    this.#guess = undefined;
  }

  /** A limit without an end was taken note of, for good; inside another one it changes nothing. */
  coolsFor(lengthMs: number, now: Now): void {
    const isRunning = [this.#cooling, this.#guess].some((one) => one !== undefined && left(one, now) > 0);
    if (isRunning || this.#isUnsure) return;
    this.#guess = { wallMs: now.wallMs + lengthMs, monoMs: now.monoMs + lengthMs, lengthMs };
  }

  /** A limit was told, and the answer does not say what became of it. */
  mayCool(): void {
    this.#isUnsure = true;
  }

  /** A request may have been heard of that went well: nothing can be said of a guess any more. */
  mayGo(): void {
    this.#guess = undefined;
  }

  /** A request went well: what was guessed is over. */
  went(): void {
    this.#guess = undefined;
  }

  cleared(): void {
    this.#cooling = undefined;
    this.#guess = undefined;
    this.#isUnsure = false;
  }

  /**
   * A new process: the monotonic clock begins anew. A token's end is a fact of the wall clock; a cooldown
   * lasts no longer than its own length. One that was over stays so, wherever the wall clock was set since.
   */
  restarted(now: Now, before: Now): void {
    this.inFlight = 0;
    if (this.#cooling !== undefined && left(this.#cooling, before) === 0) this.#cooling = undefined;
    if (this.#guess !== undefined && left(this.#guess, before) === 0) this.#guess = undefined;
    for (const end of this.#issued.values()) end.monoMs = now.monoMs + end.wallMs - now.wallMs;
    for (const limit of [this.#cooling, this.#guess]) {
      if (limit !== undefined)
        limit.monoMs = now.monoMs + Math.min(limit.wallMs - now.wallMs, limit.lengthMs);
    }
  }

  /** True if there is a reason for this login to be over. */
  get mayBeOver(): boolean {
    const isLost = this.#refresh.slice(this.#floor).some((token) => (this.#sent.get(token) ?? 0) >= 2);
    return this.isDead || (isLost && this.rotation !== "none") || this.#refusals >= 2;
  }

  #issue(now: Now, refresh?: string) {
    this.#n += 1;
    const name = this.id.replace(":", "-");
    const tokens = {
      accessToken: `at-FAKE-${name}-${this.#n}`,
      refreshToken: refresh ?? `rt-FAKE-${name}-${this.#n}`,
    };
    const lengthMs = LIFE_SEC * 1_000;
    this.#issued.set(tokens.accessToken, {
      wallMs: now.wallMs + lengthMs,
      monoMs: now.monoMs + lengthMs,
      lengthMs,
    });
    if (refresh === undefined) this.#refresh.push(tokens.refreshToken);
    return tokens;
  }
}

function left(moment: Moment, now: Now): number {
  return Math.max(0, Math.min(moment.wallMs - now.wallMs, moment.monoMs - now.monoMs));
}
