import { cpSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { inspect } from "node:util";
import { parseConfig } from "../../src/config.ts";
import { type Daemon, startDaemon } from "../../src/daemon.ts";
import { readOffline } from "../../src/offline.ts";
import { ownPlaces } from "../../src/places.ts";
import { ManualClock, settled } from "./clock.ts";
import { HeldDisk } from "./held-disk.ts";
import { Peer } from "./peer.ts";
import { RpcError } from "./rpc-error.ts";
import { Broken, type Fault, LIFE_SEC, Login } from "./soak-model.ts";
import { broken, html, json } from "./token-endpoint.ts";
import type { AcquireReply, Json, ProfileJson, ReportReply } from "./wire-json.ts";

const START_MS = Date.UTC(2030, 0, 1, 12);
const MINUTE = 60_000;
/** How long the broker keeps away at least from whoever met a limit of unknown length. */
const GUESSES: Readonly<Record<string, number>> = { RATE_LIMIT: 30_000, USAGE_LIMIT: 15 * MINUTE };

const provider = (rotation: string) => ({
  type: "generic-oauth2",
  tokenUrl: `http://127.0.0.1:9/${rotation}`,
  clientId: "client-FAKE",
  rotation,
  rotationGrace: "30s",
});
const CONFIG = JSON.stringify({
  providers: { strict: provider("strict"), grace: provider("grace"), none: provider("none") },
});

const KEY = parseConfig(CONFIG, "config.json").key;

/** One process of the broker. A dead one reaches nobody any more. */
interface Life {
  readonly home: string;
  readonly clock: ManualClock;
  readonly daemon: Daemon;
  readonly agent: Peer;
  readonly admin: Peer;
  readonly held: Set<() => void>;
  isAlive: boolean;
}

/**
 * A broker with real files and sockets, a clock and a token endpoint of the test's, and everything that is
 * known about its logins. Each call judges what it sees; a violated promise is thrown as `Broken`.
 */
export class SoakWorld {
  readonly logins = [
    new Login("strict:a", "strict"),
    new Login("strict:b", "strict"),
    new Login("grace:a", "grace"),
    new Login("none:a", "none"),
  ];
  /** What the next requests meet. */
  readonly faults: (Fault | "held")[] = [];
  readonly #log: unknown[] = [];
  readonly #leases: {
    readonly login: Login;
    readonly token: string;
    readonly lease: AcquireReply["lease"];
  }[] = [];
  readonly #homes: string[] = [];
  #broken: unknown;
  #life: Life | undefined;
  #isStoreBroken = false;
  #serverMs = 0;
  #disk: HeldDisk | undefined;
  /** The next request that arrives is the last before the disk takes its time. */
  #isHeldAtRequest = false;
  /** How many acts, requests and answers there were. */
  readonly counts = { calls: 0, given: 0, requests: 0, crashes: 0, interrupted: 0, refusals: 0 };

  static async open(): Promise<SoakWorld> {
    const soak = new SoakWorld();
    soak.#disk = await HeldDisk.take();
    await soak.#start(soak.#newHome(), START_MS);
    for (const login of soak.logins) await soak.put(login);
    return soak;
  }

  async close(): Promise<void> {
    const life = this.#running();
    this.mendStore();
    this.#disk?.giveBack();
    await this.#bury(life);
    for (const home of this.#homes) rmSync(home, { recursive: true, force: true });
  }

  /** A new login, put in place of what was there. */
  async put(login: Login): Promise<void> {
    const tokens = login.loggedIn(this.#now());
    const [, label] = login.id.split(":");
    const expireTime = new Date(this.#now().wallMs + LIFE_SEC * 1_000).toISOString();
    const oauth = { ...tokens, expireTime, accountId: `acct-${label}`, userId: login.id };
    const request = { profile: login.id, oauth, ownership: "OWNERSHIP_SOLE" };
    let answer = await this.#call("profile", "PutProfile", request);
    // By a clock that was set back it seems older than what is there.
    if (answer === undefined && this.#refusal?.reason === "OLDER_GRANT") {
      if (await this.#call("profile", "DeleteProfile", { profile: login.id })) {
        login.removed();
        // An order without a living id is set aside.
        for (const one of this.logins) one.isOutside = false;
      }
      answer = await this.#call("profile", "PutProfile", request);
    }
    // The server gave a new login to somebody who cannot keep it.
    if (answer === undefined) login.isDead = true;
    else {
      login.saw((answer.profile as ProfileJson).generation);
      login.taken();
    }
  }

  async acquire(login: Login, minValidMs: number, deadlineMs = 10 * MINUTE): Promise<RpcError | undefined> {
    const request = { provider: login.rotation, profile: login.id, minValidFor: `${minValidMs / 1_000}s` };
    const before = this.#now();
    const answer = await this.#call("credential", "AcquireCredential", request, deadlineMs);
    if (answer === undefined) return this.#refusal;
    const { lease, credential } = answer as unknown as AcquireReply;
    const token = credential.oauth?.accessToken ?? "";
    login.given(token, lease.generation, minValidMs, before);
    this.#leases.push({ login, token, lease });
    this.counts.given += 1;
    return undefined;
  }

  /** Reports about one of the last leases. */
  async report(which: number, outcome: string, coolMs: number): Promise<void> {
    const about = this.#leases.at(-1 - (which % Math.max(1, Math.min(12, this.#leases.length))));
    if (about === undefined) return;
    const now = this.#now();
    const isLimit = outcome.endsWith("LIMIT");
    const retryTime = isLimit && coolMs > 0 ? { retryTime: new Date(now.wallMs + coolMs).toISOString() } : {};
    const answer = await this.#call("credential", "ReportOutcome", {
      leaseId: about.lease.leaseId,
      outcome: `OUTCOME_${outcome}`,
      ...retryTime,
    });
    const { applied, scope } = (answer ?? {}) as unknown as Partial<ReportReply>;
    // What could not be written counts all the same, until the process dies.
    if (answer === undefined && outcome === "AUTH_INVALID_TOKEN") about.login.mayBeRefused();
    if (answer === undefined && isLimit) about.login.mayCool();
    if (answer === undefined && outcome === "OK") about.login.mayGo();
    if (applied !== true) return;
    if (outcome === "AUTH_INVALID_TOKEN") about.login.refused(about.token);
    if (outcome === "OK") about.login.went();
    if (scope !== "SCOPE_PROFILE" || !isLimit) return;
    if (coolMs > 0) about.login.coolsUntil(now.wallMs + coolMs, now);
    else about.login.coolsFor(GUESSES[outcome] ?? 0, now);
  }

  async order(login: Login): Promise<void> {
    login.orders += 1;
    await this.#call("profile", "RefreshProfile", { profile: login.id });
  }

  /** The operator lets only these logins of the strict provider serve; nobody named: all. */
  async allow(...logins: readonly Login[]): Promise<void> {
    const ids = logins.map(({ id }) => id);
    const answer = await this.#call("profile", "SetOrder", { provider: "strict", profiles: ids });
    for (const login of this.logins.filter(({ rotation }) => rotation === "strict")) {
      login.isOutside = answer !== undefined && ids.length > 0 && !ids.includes(login.id);
    }
  }

  async clear(login: Login): Promise<void> {
    if (await this.#call("profile", "ClearCooldown", { profile: login.id })) login.cleared();
  }

  async advance(ms: number): Promise<void> {
    this.#serverMs += ms;
    await this.#running().clock.advance(ms);
    await this.#settle();
  }
  step(ms: number): void {
    this.#running().clock.stepWall(ms);
  }
  sleep(ms: number): void {
    this.#serverMs += ms;
    this.#running().clock.sleepHost(ms);
  }

  /** Answers what is held back. */
  async release(): Promise<void> {
    const { held } = this.#running();
    for (const answer of held) answer();
    held.clear();
    await this.#settle();
  }

  breakStore(): void {
    if (this.#isStoreBroken) return;
    const place = join(this.#running().home, "state", "profiles");
    renameSync(place, `${place}.away`);
    writeFileSync(place, "");
    this.#isStoreBroken = true;
  }
  mendStore(): void {
    if (!this.#isStoreBroken) return;
    mend(this.#running().home);
    this.#isStoreBroken = false;
  }

  /** The process dies in the middle of whatever it does; another starts on what is on the disk. */
  async crash(goneMs: number): Promise<void> {
    const life = this.#running();
    life.isAlive = false;
    const home = this.#copy(life.home);
    await this.#interrupted(home);
    this.mendStore();
    this.#disk?.release();
    this.#isHeldAtRequest = false;
    await this.#bury(life);
    this.counts.crashes += 1;
    await this.#again(home, life.clock.now().wallMs + goneMs, goneMs);
  }

  /** What was under way when the process died, by what it left on the disk. */
  async #interrupted(home: string): Promise<void> {
    const { profiles } = await readOffline(ownPlaces({ AUTH_BROKER_HOME: home }), KEY, this.#now());
    for (const { profile } of profiles) {
      const { intent, grant } = profile;
      if (intent?.phase !== "open" || grant.kind !== "oauth") continue;
      const login = this.logins.find(({ id }) => id === profile.id);
      if (login?.interrupted(grant.refreshToken?.reveal() ?? "", intent.replay)) this.counts.interrupted += 1;
    }
  }

  /**
   * As `crash`, at a moment when the disk takes its time, from now on or from the next request on: what a
   * caller was given until then, and what the operator was told, must be there afterwards.
   */
  async crashUnwritten(login: Login, isFromRequest: boolean): Promise<void> {
    this.#isHeldAtRequest = isFromRequest;
    if (!isFromRequest) this.#disk?.hold();
    await this.acquire(login, 59 * MINUTE, MINUTE);
    await this.crash(0);
  }

  /** As `crash`, when the intent to refresh this login is on the disk and nothing has been sent. */
  async crashIntended(login: Login): Promise<void> {
    // The record and its directory; the counter, which a token waits for, is not written any more.
    this.#disk?.hold(2);
    await this.acquire(login, 59 * MINUTE, MINUTE);
    await this.crash(0);
  }

  /** The process ends in good order. The next one has a home of its own, as gRPC remembers sockets by their path. */
  async restart(goneMs: number): Promise<void> {
    await this.release();
    this.mendStore();
    const life = this.#running();
    await this.#bury(life);
    await this.#again(this.#copy(life.home), life.clock.now().wallMs + goneMs, goneMs);
  }

  /** With all trouble over, each login serves again or says why it cannot, for a reason that there is. */
  async verdict(): Promise<void> {
    this.faults.length = 0;
    this.mendStore();
    await this.release();
    await this.allow();
    for (const login of this.logins) {
      await this.advance(2 * MINUTE);
      await this.clear(login);
      let error = await this.acquire(login, MINUTE);
      // A login whose answer was lost is sent again at its token's end; in the minute before nothing is good for a minute.
      const passes = (tries: number) =>
        (error?.reason === "UPSTREAM_UNAVAILABLE" && tries < 40) ||
        (error?.reason === "VALIDITY_UNREACHABLE" && tries < 2);
      for (let tries = 0; passes(tries); tries += 1) {
        await this.advance(MINUTE);
        error = await this.acquire(login, MINUTE);
      }
      if (error === undefined) continue;
      if (error.reason !== "LOGIN_REQUIRED" || !login.mayBeOver)
        throw new Broken(`${login.id} does not serve: ${error.reason} ${error.why(login.id)}`);
      await this.put(login);
      const again = await this.acquire(login, MINUTE);
      if (again !== undefined) throw new Broken(`${login.id} does not serve after a login: ${again.reason}`);
    }
    this.#judge();
    if (/[ra]t-FAKE/.test(inspect(this.#log, { depth: 9 }))) throw new Broken("a token is in the log");
  }

  #refusal: RpcError | undefined;

  async #call(
    service: "credential" | "profile",
    method: string,
    request: Json,
    deadlineMs = 10 * MINUTE,
  ): Promise<Json | undefined> {
    this.counts.calls += 1;
    const life = this.#running();
    const peer = service === "profile" ? life.admin : life.agent;
    const call = peer.call(service, method, request, { deadlineMs }).then(
      (answer) => answer,
      (error: unknown) => error,
    );
    const done = call.then(() => true);
    // Whoever waits for a refresh that is held back waits for its answer, or for its end.
    let isDone = await Promise.race([done, this.#settle().then(() => false)]);
    for (let tries = 0; !isDone && tries < 8; tries += 1) {
      isDone = await Promise.race([done, this.advance(31_000).then(() => false)]);
    }
    this.#judge();
    // In real time, since the first refresh of a process loads its modules.
    isDone ||= await Promise.race([done, pause(10_000, false)]);
    if (!isDone) throw new Broken(`${method} does not end`);
    const answer = await call;
    if (JSON.stringify(answer).includes("rt-FAKE")) throw new Broken(`${method} gave a refresh token away`);
    if (!(answer instanceof RpcError)) return answer as Json;
    if (answer.reason === "" || answer.code === "INTERNAL") throw new Broken(`${method}: ${answer.code}`);
    this.#refusal = answer;
    this.counts.refusals += 1;
    return undefined;
  }

  /** What went wrong where nobody waits for it. */
  #judge(): void {
    if (this.#broken !== undefined) throw this.#broken;
  }

  async #endpoint(life: () => Life | undefined, init: RequestInit): Promise<Response> {
    const own = life();
    if (own?.isAlive !== true) throw broken();
    // The verdict is clear; nothing should go on at full speed until somebody hears it.
    if (this.#broken !== undefined) {
      return await new Promise((_resolve, reject) => own.held.add(() => reject(broken())));
    }
    this.counts.requests += 1;
    if (this.#isHeldAtRequest) this.#disk?.hold();
    const token = new URLSearchParams(String(init.body)).get("refresh_token") ?? "";
    const login = this.logins.find((one) => one.knows(token));
    const fault = this.faults.shift() ?? "fine";
    try {
      if (login === undefined) throw new Broken("a refresh token that nobody issued");
      if (fault === "not connected") throw Object.assign(new Error(), { code: "ECONNREFUSED" });
      login.sent(token);
    } catch (error) {
      if (error instanceof Broken) this.#broken ??= error;
      throw error;
    }
    const end = () => {
      if (own.isAlive) login.inFlight -= 1;
    };
    const lose = () => {
      end();
      return broken();
    };
    if (fault === "broken before it was heard") throw lose();
    if (fault === "busy" || fault === "a page") {
      login.spared(token);
      end();
      return fault === "busy" ? json(503, {}) : html(200);
    }
    const tokens = login.heard(token, this.#now(), this.#serverMs);
    if (fault === "broken after it was heard") throw lose();
    if (fault === "held") {
      const isAnswered = await new Promise<boolean>((resolve) => {
        own.held.add(() => resolve(true));
        init.signal?.addEventListener("abort", () => resolve(false));
      });
      if (!isAnswered || !own.isAlive) throw lose();
    }
    end();
    if (tokens === undefined) return json(400, { error: "invalid_grant" });
    const { accessToken: access_token, refreshToken: refresh_token } = tokens;
    return json(200, { access_token, refresh_token, token_type: "Bearer", expires_in: LIFE_SEC });
  }

  async #start(home: string, wallMs: number): Promise<void> {
    const clock = new ManualClock({ wallMs });
    const own: { life?: Life } = {};
    const note = (fields: object, message: string) => void this.#log.push({ fields, message });
    const daemon = await startDaemon({
      home,
      clock,
      fetch: (_url, init) => this.#endpoint(() => own.life, init),
      log: { info: note, warn: note, error: note },
      config: parseConfig(CONFIG, "config.json"),
    });
    own.life = {
      home,
      clock,
      daemon,
      agent: new Peer(daemon.agentAddress),
      admin: new Peer(daemon.adminAddress),
      held: new Set(),
      isAlive: true,
    };
    this.#life = own.life;
  }

  async #again(home: string, wallMs: number, goneMs: number): Promise<void> {
    this.#serverMs += goneMs;
    for (const login of this.logins) login.restarted({ wallMs, monoMs: 0 }, this.#now());
    await this.#start(home, wallMs);
    await this.#settle();
  }

  async #bury(life: Life): Promise<void> {
    life.agent.close();
    life.admin.close();
    if (this.#broken !== undefined) life.isAlive = false;
    for (const answer of life.held) answer();
    await life.daemon.stop();
    life.isAlive = false;
  }

  async #settle(): Promise<void> {
    const { agent, admin } = this.#running();
    for (let round = 0; round < 2; round += 1) {
      await agent.release("nothing").catch(() => {});
      await admin.call("profile", "ListProfiles", {}).catch(() => {});
      await settled();
    }
  }

  #running(): Life {
    if (this.#life === undefined) throw new Error("the broker does not run");
    return this.#life;
  }

  #now() {
    return this.#running().clock.now();
  }

  #copy(old: string): string {
    const home = this.#newHome();
    for (const part of ["state", "key", "key.counters"]) {
      cpSync(join(old, part), join(home, part), { recursive: true });
    }
    if (this.#isStoreBroken) mend(home);
    return home;
  }

  #newHome(): string {
    const home = mkdtempSync(join(tmpdir(), "soak-"));
    this.#homes.push(home);
    return home;
  }
}

function mend(home: string): void {
  const place = join(home, "state", "profiles");
  rmSync(place);
  renameSync(`${place}.away`, place);
}
