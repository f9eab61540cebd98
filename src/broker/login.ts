import { randomBytes } from "node:crypto";
import { BrokerFailure } from "../domain/failure.ts";
import { describeLogin, type LoginFlow, type LoginReason, pastedAnswer } from "../domain/login.ts";
import { after, at } from "../domain/time.ts";
import type { OAuthClient } from "../provider/provider.ts";
import type { Context } from "./context.ts";
import { isOver, type Login, LoginEntry } from "./login-entry.ts";
import { type Landing, type LoginWiring, openLanding } from "./login-landing.ts";
import { LoginRun } from "./login-run.ts";
import { type LoginOrder, planOf, refusedStart, tooManyLogins } from "./login-start.ts";
import { firstOf } from "./waiting.ts";

/** Nobody needs longer with a browser; afterwards the port is free again. */
const PATIENCE_MS = 15 * 60_000;
/** One under way holds a port, and nobody has so many browsers open. */
const MOST_LOGINS = 64;
/** A login that is over can be asked about for so long. */
const REMEMBERED_MS = 15 * 60_000;
/** A browser that loads the last page once more gets it for so long. */
const LINGER_MS = 10_000;

/** All logins under way, in memory only: a restart forgets them, and nothing is half done. */
export class Logins {
  readonly #ctx: Context;
  readonly #wiring: LoginWiring;
  readonly #runs = new Map<string, LoginRun>();
  readonly #landings = new Map<string, Landing>();

  constructor(ctx: Context, wiring: LoginWiring) {
    this.#ctx = ctx;
    this.#wiring = wiring;
  }

  /**
   * Begins a login and gives it as it waits for the person. One that runs for the same profile ends.
   * Rejects with `BrokerFailure`.
   */
  async start(order: LoginOrder): Promise<Login> {
    const { client, flow, profileId } = planOf(this.#ctx, order);
    for (const { entry } of this.#runs.values()) {
      if (profileId !== "" && entry.login.profileId === profileId) giveUp(entry, "SUPERSEDED");
    }
    this.#makeRoom();
    const entry = new LoginEntry(this.#fresh(order.provider, profileId, flow), order.allowAccountChange);
    const run = new LoginRun(this.#ctx, entry);
    this.#runs.set(entry.login.id, run);
    try {
      await this.#clearLandings((one) => isOver(one.entry.login));
      if (flow === "CLIENT") run.client(this.#wiring.protocol, client);
      else if (flow === "DEVICE") await this.#beginDevice(run, client);
      else await this.#beginCode(run, client, flow);
    } catch (error) {
      this.#runs.delete(entry.login.id);
      giveUp(entry, "CANCELLED");
      throw refusedStart(error);
    }
    this.#endInTime(run);
    return entry.login;
  }

  /** Throws `BrokerFailure` for one that is not known. */
  get(id: string): Login {
    return this.#run(id).entry.login;
  }

  /** Those under way, and those that ended a short while ago. */
  list(): readonly Login[] {
    return [...this.#runs.values()].map(({ entry }) => entry.login);
  }

  /**
   * Takes what a person brought back and does not wait for what comes of it. A login that is further
   * along or over stays as it is. Throws `BrokerFailure`.
   */
  submit(id: string, pasted: string): Login {
    const run = this.#run(id);
    const landing = this.#landings.get(id);
    if (run.entry.login.state !== "WAITING") return run.entry.login;
    if (landing === undefined) throw badPaste("this login takes none");
    const answer = pastedAnswer(pasted);
    if (answer === undefined) throw badPaste("is neither the address at which the browser ended nor a code");
    if (answer.has("state") && answer.get("state") !== landing.authorization.state) {
      throw badPaste("belongs to another login than this one");
    }
    void run.redeem(landing.authorization, answer);
    return run.entry.login;
  }

  /** Gives a login up, unless it is being kept already or over. Throws `BrokerFailure`. */
  cancel(id: string): Login {
    const { entry } = this.#run(id);
    if (entry.login.state !== "VERIFYING") giveUp(entry, "CANCELLED");
    return entry.login;
  }

  /** The newest state whenever it changed; ends with the login, or with `signal`. Rejects with `BrokerFailure`. */
  async *watch(id: string, signal: AbortSignal): AsyncGenerator<Login, void, undefined> {
    const { entry } = this.#run(id);
    let shown: Login | undefined;
    while (!signal.aborted) {
      let stop = () => {};
      const changed = new Promise<void>((resolve) => {
        stop = entry.on(resolve);
      });
      try {
        if (shown === entry.login) await firstOf(this.#ctx.alarm, [changed], [], [signal]);
        else {
          shown = entry.login;
          yield shown;
          if (isOver(shown)) return;
        }
      } finally {
        stop();
      }
    }
  }

  /** Ends everything, because the broker stops. */
  async stop(): Promise<void> {
    for (const { entry } of this.#runs.values()) giveUp(entry, "BROKER_STOPPED");
    await this.#clearLandings(() => true);
  }

  /** Forgets the oldest that is over if there is no room for one more. Throws `BrokerFailure` if none is. */
  #makeRoom(): void {
    if (this.#runs.size < MOST_LOGINS) return;
    for (const [id, { entry }] of this.#runs) if (isOver(entry.login)) return void this.#runs.delete(id);
    throw tooManyLogins(MOST_LOGINS);
  }

  #fresh(provider: string, profileId: string, flow: LoginFlow): Login {
    const { wallMs } = this.#ctx.clock.now();
    return {
      id: randomBytes(12).toString("base64url"),
      provider,
      profileId,
      flow,
      state: "WAITING",
      message: "",
      authorizeUrl: "",
      redirectUrl: "",
      userCode: "",
      verificationUrl: "",
      verificationUrlComplete: "",
      startedAtMs: wallMs,
      expiresAtMs: wallMs + PATIENCE_MS,
      notes: [],
    };
  }

  async #beginCode(run: LoginRun, client: OAuthClient, flow: LoginFlow): Promise<void> {
    const landing = await openLanding(this.#wiring, client, flow, run);
    this.#landings.set(run.entry.login.id, landing);
    const { authorization, redirectUrl, notes } = landing;
    run.entry.update({ authorizeUrl: authorization.url, redirectUrl, notes });
  }

  async #beginDevice(run: LoginRun, client: OAuthClient): Promise<void> {
    const device = await run.once((attempt) => this.#wiring.protocol.device(client, attempt));
    const { userCode, verificationUrl, verificationUrlComplete = "", intervalMs, expiresInMs } = device;
    const expiresAtMs = this.#ctx.clock.now().wallMs + expiresInMs;
    run.entry.update({ userCode, verificationUrl, verificationUrlComplete, intervalMs, expiresAtMs });
    run.poll(device);
  }

  /** Ends the login when its time is up, gives its port back, and forgets it later. */
  #endInTime(run: LoginRun): void {
    const { alarm, clock } = this.#ctx;
    const { entry } = run;
    const cancel = alarm.at(at(clock.now(), entry.login.expiresAtMs), () => {
      if (entry.login.state !== "VERIFYING") giveUp(entry, "EXPIRED");
    });
    const onEnd = () => {
      cancel();
      alarm.at(after(clock.now(), LINGER_MS), () => void this.#clearLandings((one) => one === run));
      alarm.at(after(clock.now(), REMEMBERED_MS), () => this.#runs.delete(entry.login.id));
    };
    if (entry.ended.aborted) onEnd();
    else entry.ended.addEventListener("abort", onEnd, { once: true });
  }

  async #clearLandings(isMeant: (run: LoginRun) => boolean): Promise<void> {
    for (const [id, landing] of [...this.#landings]) {
      const run = this.#runs.get(id);
      if (run !== undefined && !isMeant(run)) continue;
      this.#landings.delete(id);
      await landing.close();
    }
  }

  #run(id: string): LoginRun {
    const run = this.#runs.get(id);
    if (run === undefined) throw new BrokerFailure({ kind: "login_unknown" });
    return run;
  }
}

function giveUp(entry: LoginEntry, reason: LoginReason): void {
  const state = reason === "EXPIRED" ? "FAILED" : "CANCELLED";
  entry.update({ state, reason, message: describeLogin(reason) });
}

function badPaste(description: string): BrokerFailure {
  return new BrokerFailure({ kind: "field_invalid", violations: [{ field: "answer", description }] });
}
