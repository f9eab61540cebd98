import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseConfig } from "../../src/config.ts";
import { type Daemon, startDaemon } from "../../src/daemon.ts";
import { ManualClock, settled } from "./clock.ts";
import { type CallOptions, Peer, type Stream } from "./peer.ts";
import { RpcError } from "./rpc-error.ts";
import { type Endpoint, tokenEndpoint } from "./token-endpoint.ts";
import type { AcquireReply, Json, ProfileJson, ReportReply } from "./wire-json.ts";

/** Where every clock of these tests begins. */
export const START_MS = Date.UTC(2030, 0, 1, 12);
export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export interface WorldOptions {
  /** What stands in config.json. */
  readonly config?: Json;
  readonly startMs?: number;
  /** Sends token requests. Default: to `token`. */
  readonly fetch?: Endpoint["fetch"];
}

/** A moment on the wire as milliseconds since the epoch; NaN for one that is unset. */
export function at(instant: string | null | undefined): number {
  return instant === null || instant === undefined ? Number.NaN : Date.parse(instant);
}

/** RFC 3339 of a moment. */
export function iso(ms: number): string {
  return new Date(ms).toISOString();
}

/**
 * A whole broker on a home of its own: real sockets and files, a clock that the test moves, and a
 * token endpoint that the test programs.
 */
export class World {
  readonly home: string;
  readonly token: Endpoint;
  readonly log: { readonly level: string; readonly fields: unknown; readonly message: string }[] = [];
  readonly #config: Json | undefined;
  readonly #fetch: Endpoint["fetch"];
  #daemon: Daemon | undefined;
  clock: ManualClock;
  #agent: Peer | undefined;
  #admin: Peer | undefined;

  constructor(home: string, options: WorldOptions) {
    this.home = home;
    this.#config = options.config;
    this.clock = new ManualClock({ wallMs: options.startMs ?? START_MS });
    this.token = tokenEndpoint();
    this.#fetch = options.fetch ?? this.token.fetch;
  }

  get agent(): Peer {
    if (this.#agent === undefined) throw new Error("the broker is not running");
    return this.#agent;
  }
  get admin(): Peer {
    if (this.#admin === undefined) throw new Error("the broker is not running");
    return this.#admin;
  }

  async start(): Promise<void> {
    const note = (level: string) => (fields: object, message: string) => {
      this.log.push({ level, fields, message });
    };
    this.#daemon = await startDaemon({
      home: this.home,
      clock: this.clock,
      fetch: this.#fetch,
      log: { info: note("info"), warn: note("warn"), error: note("error") },
      ...(this.#config !== undefined && {
        config: parseConfig(JSON.stringify(this.#config), "config.json"),
      }),
    });
    this.#agent = new Peer(this.#daemon.agentAddress);
    this.#admin = new Peer(this.#daemon.adminAddress);
  }

  async stop(): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = undefined;
    // Clients go first: a server that stops waits for their connections.
    this.#agent?.close();
    this.#admin?.close();
    await daemon?.stop();
  }

  /** Stops in good order while clients are still connected. */
  async drain(): Promise<void> {
    await this.#daemon?.stop();
  }

  /** A new process after `goneMs`: the monotonic clock begins anew, as it does. */
  async restart(goneMs = 0): Promise<void> {
    await this.stop();
    this.clock = new ManualClock({ wallMs: this.clock.now().wallMs + goneMs });
    await this.start();
  }

  get nowMs(): number {
    return this.clock.now().wallMs;
  }

  /** The moment `ms` from now, as it goes over the wire. */
  inTime(ms: number): string {
    return iso(this.nowMs + ms);
  }

  /**
   * Waits until everything that was asked has been done or waits for the clock: one call after
   * another on the same connections, and the disk.
   */
  async settle(): Promise<void> {
    for (let round = 0; round < 2; round += 1) {
      await this.agent.release("nothing").catch(() => {});
      await this.admin.call("profile", "ListProfiles", {}).catch(() => {});
      await settled();
    }
  }

  async advance(ms: number): Promise<void> {
    await this.settle();
    await this.clock.advance(ms);
    await this.settle();
  }

  /** Puts an OAuth login whose every part is named after its label. */
  async put(profile: string, oauth: Json = {}, rest: Json = {}): Promise<ProfileJson> {
    const label = profile.slice(profile.indexOf(":") + 1);
    const grant = {
      accessToken: `at-FAKE-${label}`,
      refreshToken: `rt-FAKE-${label}`,
      expireTime: this.inTime(10 * HOUR),
      accountId: `acct-${label}`,
      ...oauth,
    };
    return this.#profile("PutProfile", { profile, oauth: grant, ...rest });
  }
  putToken(profile: string, token: Json = {}, rest: Json = {}): Promise<ProfileJson> {
    const grant = { token: `tok-FAKE-${profile.slice(profile.indexOf(":") + 1)}`, ...token };
    return this.#profile("PutProfile", { profile, token: grant, ...rest });
  }
  putKey(profile: string, rest: Json = {}): Promise<ProfileJson> {
    const key = `sk-FAKE-${profile.slice(profile.indexOf(":") + 1)}`;
    return this.#profile("PutProfile", { profile, apiKey: { key }, ...rest });
  }
  get(profile: string): Promise<ProfileJson> {
    return this.#profile("GetProfile", { profile });
  }
  update(request: Json): Promise<ProfileJson> {
    return this.#profile("UpdateProfile", request);
  }
  clear(profile: string, model = ""): Promise<ProfileJson> {
    return this.#profile("ClearCooldown", { profile, model });
  }
  refresh(profile: string): Promise<ProfileJson> {
    return this.#profile("RefreshProfile", { profile });
  }
  remove(profile: string): Promise<Json> {
    return this.admin.call("profile", "DeleteProfile", { profile });
  }
  async list(request: Json = {}): Promise<{ profiles: ProfileJson[]; nextPageToken: string }> {
    return (await this.admin.call("profile", "ListProfiles", request)) as never;
  }
  async order(provider: string, ...profiles: string[]): Promise<{ profiles: string[]; unknown: string[] }> {
    return (await this.admin.call("profile", "SetOrder", { provider, profiles })) as never;
  }
  async acknowledge(provider: string): Promise<{ profiles: ProfileJson[] }> {
    return (await this.admin.call("profile", "AcknowledgeBan", { provider })) as never;
  }
  watchProfiles(provider = ""): Stream<{ profiles: ProfileJson[]; removed: string[]; snapshot: boolean }> {
    return this.admin.stream("profile", "WatchProfiles", { provider }) as Stream<never>;
  }

  acquire(request: Json | string, options: CallOptions = {}): Promise<AcquireReply> {
    return this.agent.acquire(typeof request === "string" ? { provider: request } : request, options);
  }
  /** The id of the profile that an acquire gets. */
  async serves(request: Json | string): Promise<string> {
    return (await this.acquire(request)).lease.profile;
  }
  /** Acquires and at once reports an outcome for it. */
  async fails(request: Json | string, outcome: string, rest: Json = {}): Promise<ReportReply> {
    const { lease } = await this.acquire(request);
    return this.report(lease.leaseId, outcome, rest);
  }
  report(leaseId: string, outcome: string, rest: Json = {}): Promise<ReportReply> {
    return this.agent.report({ leaseId, outcome, ...rest });
  }
  /** Reports a raw answer of the provider. */
  reportRaw(leaseId: string, response: Json, rest: Json = {}): Promise<ReportReply> {
    const { body, ...others } = response;
    const bytes = body === undefined ? {} : { body: Buffer.from(textOf(body)).toString("base64") };
    return this.agent.report({ leaseId, providerResponse: { ...others, ...bytes }, ...rest });
  }

  async #profile(method: string, request: Json): Promise<ProfileJson> {
    return (await this.admin.call("profile", method, request)).profile as ProfileJson;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.token.end();
    await this.stop();
    await rm(this.home, { recursive: true, force: true });
  }
}

function textOf(body: unknown): string {
  return typeof body === "string" ? body : JSON.stringify(body);
}

/** Starts a broker for one test. */
export async function world(options: WorldOptions = {}): Promise<World> {
  const made = new World(await mkdtemp(join(tmpdir(), "world-")), options);
  await made.start();
  return made;
}

/** The error of a call that must fail. */
export async function refusal(call: Promise<unknown>): Promise<RpcError> {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (outcome instanceof RpcError) return outcome;
  if (outcome !== undefined) throw outcome;
  throw new Error("the call did not fail");
}

/** What a promise has come to by now. */
export function watchful<T>(promise: Promise<T>): { readonly promise: Promise<T>; settled: boolean } {
  const seen = { promise, settled: false };
  const end = () => {
    seen.settled = true;
  };
  promise.then(end, end);
  return seen;
}
