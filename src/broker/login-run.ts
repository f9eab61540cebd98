import { BrokerFailure } from "../domain/failure.ts";
import { describeLogin, LoginFailed, type LoginReason } from "../domain/login.ts";
import { after } from "../domain/time.ts";
import type {
  Attempt,
  Authorization,
  DeviceAuthorization,
  LoginGrant,
  LoginProtocol,
  OAuthClient,
} from "../provider/provider.ts";
import type { Context } from "./context.ts";
import { isOver, type LoginEntry } from "./login-entry.ts";
import { keep, profileFor } from "./login-keep.ts";
import { firstOf } from "./waiting.ts";

/** RFC 8628 section 3.5. */
const SLOW_DOWN_MS = 5_000;
/** A code that nobody took notice of is sent again after this long, so many times. */
const REPEAT_MS = 2_000;
const MOST_REPEATS = 3;
/** A login that the disk does not take is tried again after this long. */
const STORE_PAUSE_MS = 2_000;

/** The work on one login: from the answer of the browser or the device to the durable profile. */
export class LoginRun {
  readonly entry: LoginEntry;
  readonly #ctx: Context;
  #work: Promise<void> | undefined;

  constructor(ctx: Context, entry: LoginEntry) {
    this.#ctx = ctx;
    this.entry = entry;
  }

  /** Exchanges a code once, however often it is brought; ends when it is known what came of it. */
  async redeem(authorization: Authorization, answer: URLSearchParams): Promise<void> {
    if (isOver(this.entry.login)) return;
    this.#work ??= this.#guarded(async () => {
      if (answer.has("code")) this.entry.update({ state: "EXCHANGING" });
      const grant = await this.#exchanged(authorization, answer);
      if (grant !== undefined) await this.#keep(grant);
    });
    await this.#work;
  }

  /** Logs the client itself in. */
  client(protocol: LoginProtocol, client: OAuthClient): void {
    this.#work ??= this.#guarded(async () => {
      this.entry.update({ state: "EXCHANGING" });
      await this.#keep(await this.once((attempt) => protocol.client(client, attempt)));
    });
  }

  /** Asks until the device login is done or over. */
  poll(device: DeviceAuthorization): void {
    this.#work ??= this.#guarded(async () => {
      let { intervalMs } = device;
      while (await this.#pause(intervalMs)) {
        const polled = await this.once((attempt) => device.poll(attempt));
        if (polled === "slow_down") {
          intervalMs += SLOW_DOWN_MS;
          this.entry.update({ intervalMs });
        } else if (polled !== "pending") return this.#keep(polled);
      }
    });
  }

  /** One request within the time that requests have, or until the login ends. */
  async once<T>(request: (attempt: Attempt) => Promise<T>): Promise<T> {
    const { alarm, clock, settings } = this.#ctx;
    const late = new AbortController();
    const cancel = alarm.at(after(clock.now(), settings.refresh.totalTimeoutMs), () => late.abort());
    try {
      const signal = AbortSignal.any([late.signal, this.entry.ended]);
      return await request({ now: () => clock.now(), signal });
    } finally {
      cancel();
    }
  }

  /** Undefined if the login ended meanwhile. */
  async #exchanged(authorization: Authorization, answer: URLSearchParams): Promise<LoginGrant | undefined> {
    for (let repeats = 0; ; repeats += 1) {
      try {
        return await this.once((attempt) => authorization.redeem(answer, attempt));
      } catch (error) {
        const mayRepeat = error instanceof LoginFailed && error.isRepeatable && repeats < MOST_REPEATS;
        if (!mayRepeat) throw error;
        if (!(await this.#pause(REPEAT_MS))) return undefined;
      }
    }
  }

  /** Keeps what was granted; a disk that does not take it is waited for as long as the login may last. */
  async #keep(grant: LoginGrant): Promise<void> {
    const { entry } = this;
    if (isOver(entry.login)) return;
    const { provider, profileId, expiresAtMs } = entry.login;
    const id = profileId === "" ? profileFor(this.#ctx, provider, grant.account) : profileId;
    entry.update({ state: "VERIFYING", profileId: id });
    for (;;) {
      try {
        const { profile, notes } = await keep(this.#ctx, id, grant, entry.allowAccountChange);
        this.#ctx.log.info({ profile: profile.id }, "logged in");
        entry.update({ state: "DONE", message: `logged in as ${profile.id}`, profile, notes });
        return;
      } catch (error) {
        const isStore = error instanceof BrokerFailure && error.failure.kind === "store_unavailable";
        const isLate = this.#ctx.clock.now().wallMs >= expiresAtMs;
        if (!isStore || isLate || !(await this.#pause(STORE_PAUSE_MS))) throw error;
      }
    }
  }

  /** Runs what may fail, and makes the failure the login's end. */
  async #guarded(run: () => Promise<void>): Promise<void> {
    const { entry } = this;
    try {
      await run();
    } catch (error) {
      const { reason, message } = endOf(error);
      if (reason === "UNEXPECTED") this.#ctx.log.error({ err: error }, "unexpected error in a login");
      else this.#ctx.log.warn({ provider: entry.login.provider, reason }, "a login failed");
      entry.update({ state: "FAILED", reason, message });
    }
  }

  /** False if the login ended meanwhile. */
  async #pause(ms: number): Promise<boolean> {
    const { alarm, clock } = this.#ctx;
    await firstOf(alarm, [], [after(clock.now(), ms)], [this.entry.ended]);
    return !this.entry.ended.aborted;
  }
}

function endOf(error: unknown): { readonly reason: LoginReason; readonly message: string } {
  if (error instanceof LoginFailed) return error;
  if (error instanceof BrokerFailure) {
    const reason = KEEPING[error.failure.kind];
    if (reason !== undefined) return { reason, message: error.message };
  }
  return { reason: "UNEXPECTED", message: describeLogin("UNEXPECTED") };
}

/** What keeping a login may fail for. */
const KEEPING: Partial<Record<BrokerFailure["failure"]["kind"], LoginReason>> = {
  account_changed: "ACCOUNT_CHANGED",
  identity_exists: "IDENTITY_EXISTS",
  store_unavailable: "STORE_UNAVAILABLE",
};
