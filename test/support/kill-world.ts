import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseAddress } from "../../src/endpoint/address.ts";
import type { AuthorizationServer } from "./authorization-server.mjs";
import { startAuthorizationServer } from "./authorization-server.mjs";
import { Peer } from "./peer.ts";
import { type Running, start } from "./process.mjs";
import type { RpcError } from "./rpc-error.ts";
import { unlessStopped } from "./standstill.ts";
import { type FileCall, parseTrace } from "./strace.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const PROVIDER = "openai-codex";
const ID = `${PROVIDER}:ann`;
const ANN = { sub: "ann", email: "ann@example.test", accountId: "acct-ann" };
const CALLS =
  "openat,read,write,pread64,pwrite64,readv,writev,ftruncate,fallocate,fsync,fdatasync,close,rename,renameat2," +
  "unlink,unlinkat,socket,connect,sendto,sendmsg,recvfrom,recvmsg,shutdown";

const OPTIONS = ["-yy", "-s", "0", "-e", `trace=${CALLS}`];

export type Rotation = "strict" | "grace" | "none";

/** One system call of a refresh cycle, and how it is hit again: `name:when=ordinal`. */
export interface Point extends Omit<FileCall, "tid"> {
  readonly thread: "main" | "files";
  /** The same call in every cycle, whatever number its descriptor or temporary file has. */
  readonly what: string;
  /** How manieth of these in its thread it is, from 1. */
  readonly nth: number;
}

/** What happens at a call. */
interface Fault {
  readonly point: Point;
  readonly does: "signal=KILL" | `error=${string}`;
}

interface Threads {
  readonly main: number;
  /** The one thread of libuv's pool, which is the last that Node starts (measured, Node 20 and 24). */
  readonly files: number;
}

function threadsOf(pid: number): Threads {
  const tids = readdirSync(`/proc/${pid}/task`).map(Number);
  return { main: pid, files: Math.max(...tids) };
}

/** What became of a login whose broker was disturbed in the middle of a refresh. */
export interface Verdict {
  /** The call was hit; false if another one was, each time that it was tried. */
  readonly isHit: boolean;
  readonly outcome: string;
}

/**
 * How manieth of its name a call is varies, mostly with how often threads wake each other: a fault that meets
 * another call than the one meant is aimed anew.
 */
const MOST_TRIES = 16;

/**
 * A broker as a user runs it, on a home of its own, with one login at a real authorization server, to be
 * killed or refused at one system call of a refresh. Whatever breaks a promise is thrown.
 */
export class KillWorld {
  readonly #server: AuthorizationServer;
  readonly #home: string;
  readonly #main: string;
  readonly #rotation: Rotation;
  #broker: Running | undefined;
  /** True if the process has refreshed before. */
  #isWarm = false;

  private constructor(server: AuthorizationServer, home: string, main: string, rotation: Rotation) {
    this.#server = server;
    this.#home = home;
    this.#main = main;
    this.#rotation = rotation;
  }

  /** `main`: the program to run instead of the one that was built. */
  static async open(rotation: Rotation, main = join(ROOT, "bin/auth-broker.js")): Promise<KillWorld> {
    const server = await startAuthorizationServer({ rotation, graceMs: 30_000 });
    const home = mkdtempSync(join(tmpdir(), "kill-"));
    const { tokenUrl, clientId } = server;
    const config = {
      providers: { [PROVIDER]: { tokenUrl, clientId, rotation, rotationGrace: "30s" } },
      refresh: { minInterval: "0s" },
    };
    writeFileSync(join(home, "config.json"), JSON.stringify(config));
    return new KillWorld(server, home, main, rotation);
  }

  async close(): Promise<void> {
    await this.#end();
    await this.#server.close();
    rmSync(this.#home, { recursive: true, force: true });
  }

  /** The calls of an undisturbed cycle that belong to the state, to its key or to the token connection, in order. */
  async points(): Promise<readonly Point[]> {
    return (await this.order()).filter(({ what }) => /state|key|tcp/.test(what));
  }

  /** All calls of an undisturbed cycle, answers to callers included. */
  async order(): Promise<readonly Point[]> {
    const run = async () => (await this.#cycle()).calls;
    return unlessStopped(run, () => this.#end());
  }

  /** Kills the broker on entry of a call, starts it again, and judges. */
  kill(point: Point): Promise<Verdict> {
    return unlessStopped(
      () => this.#disturbed({ point, does: "signal=KILL" }),
      () => this.#end(),
    );
  }

  /** Has a call fail, lets the broker go on, ends it, starts it again, and judges. */
  refuse(point: Point, error: string): Promise<Verdict> {
    return unlessStopped(
      () => this.#disturbed({ point, does: `error=${error}` }),
      () => this.#end(),
    );
  }

  async #disturbed(fault: Fault): Promise<Verdict> {
    const { what, nth } = fault.point;
    let { ordinal } = fault.point;
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const point = { ...fault.point, ordinal };
      const { seen, calls, known, hasEnded } = await this.#cycle({ ...fault, point });
      const meant = calls.find((call) => call.what === what && call.nth === nth);
      if (meant?.ordinal === ordinal) {
        if ((fault.does === "signal=KILL") !== hasEnded)
          throw new Error(`the broker ${hasEnded ? "ends" : "lives on"} at ${what}, ${fault.does}`);
        return { isHit: true, outcome: await this.#judge(known, seen) };
      }
      // It was passed, or the broker died before it; if it did not come at all this time, from the start.
      ordinal = meant?.ordinal ?? (hasEnded ? ordinal + 1 : fault.point.ordinal);
    }
    return { isHit: false, outcome: "not hit" };
  }

  /** A fresh login, then one refresh, from its first to its last call under strace. */
  async #cycle(fault?: Fault) {
    const { accessToken, refreshToken, idToken } = await this.#server.login(ANN);
    const admin = await this.#peer("admin");
    await admin.call("profile", "PutProfile", {
      profile: ID,
      oauth: { accessToken, refreshToken, idToken },
      allowAccountChange: true,
    });
    // The first refresh of a process loads modules; the calls that count are those of the others.
    if (!this.#isWarm && (await this.#refresh(admin)) !== "answered")
      throw new Error(`an undisturbed refresh fails:\n${this.#running().stderr()}`);
    this.#isWarm = true;
    const known = { generation: await this.#generation(admin), sent: this.#sent() };
    const broker = this.#running();
    const threads = threadsOf(broker.pid);
    const log = join(this.#home, "strace.log");
    // Only the thread concerned: another one that makes the same call as manieth would be hit in its place.
    const whom =
      fault === undefined ? ["-f", "-p", `${broker.pid}`] : ["-p", `${threads[fault.point.thread]}`];
    const how =
      fault === undefined
        ? []
        : ["-e", `inject=${fault.point.name}:${fault.does}:when=${fault.point.ordinal}`];
    const strace = await start("strace", [...OPTIONS, "-o", log, ...whom, ...how]);
    await strace.line(/attached/);
    const seen = await this.#refresh(admin);
    admin.close();
    // A kill may come after the answer: closing a file is one of the calls of a cycle.
    const isKill = fault?.does === "signal=KILL";
    const lives = isKill ? pause(1_000, true) : fault === undefined ? true : this.#settled();
    const hasEnded = !(await Promise.race([broker.exited.then(() => false), lives]));
    await strace.kill("SIGINT");
    if (fault !== undefined) await this.#end();
    const calls = this.#named(parseTrace(readFileSync(log, "utf8")), threads);
    return { seen, known, hasEnded, calls };
  }

  /** Ends the process as a crash does. The next call starts another. */
  async #end(): Promise<void> {
    await this.#broker?.kill("SIGKILL");
    this.#broker = undefined;
  }

  /** What a new process says, against what the server knows. */
  async #judge(
    known: { readonly generation: number; readonly sent: ReadonlyMap<string, number> },
    seen: "answered" | RpcError,
  ): Promise<string> {
    const admin = await this.#peer("admin");
    const agent = await this.#peer("agent");
    try {
      const arrived = this.#total(this.#sent()) - this.#total(known.sent);
      const { profile } = (await admin.call("profile", "GetProfile", { profile: ID })) as unknown as Shown;
      const isNew = profile.generation > known.generation;
      if (seen === "answered" && !isNew) throw new Error("a new grant that was answered for is lost");
      const given = await agent.acquire({ provider: PROVIDER, minValidFor: "0s" }).catch(() => undefined);
      const token = given?.credential.oauth?.accessToken;
      if (token !== undefined && this.#server.accountOf(token) !== ANN.accountId) {
        throw new Error("the token that is handed out is dead");
      }
      const told = profile.stateReason !== "" || profile.state !== "PROFILE_STATE_READY";
      if (token === undefined && !told)
        throw new Error("nothing is handed out, and the state does not say why");
      if (arrived > 0 && !isNew && this.#rotation === "strict") {
        if (arrived > 1) throw new Error("the token was sent again although the access token lives");
        return `sent and lost, ${await this.#over(admin, agent, given?.lease.leaseId ?? "")}`;
      }
      await this.#renew(admin, profile.generation);
      return `${isNew ? "new grant" : arrived > 0 ? "sent and lost" : "not sent"}, good`;
    } finally {
      admin.close();
      agent.close();
    }
  }

  /** A refresh succeeds only with the grant that the server gave last. */
  async #renew(admin: Peer, generation: number): Promise<void> {
    const answer = await this.#refresh(admin);
    const { profile } = (await admin.call("profile", "GetProfile", { profile: ID })) as unknown as Shown;
    if (answer !== "answered" || profile.generation <= generation) {
      throw new Error(`the login is dead in silence: ${profile.state} ${profile.stateReason} ${answer}`);
    }
    this.#atMostTwice();
  }

  /** The one replay is refused, and the login is over, lost in flight, for everybody to see. */
  async #over(admin: Peer, agent: Peer, leaseId: string): Promise<string> {
    await this.#refresh(admin);
    await this.#refresh(admin);
    this.#atMostTwice();
    await agent.report({ leaseId, outcome: "OUTCOME_AUTH_INVALID_TOKEN" });
    const { profile } = (await admin.call("profile", "GetProfile", { profile: ID })) as unknown as Shown;
    if (profile.state === "PROFILE_STATE_NEEDS_LOGIN" && profile.stateReason === "LOST_IN_FLIGHT") {
      return "login needed";
    }
    throw new Error(`a lost answer is not told as such: ${profile.state} ${profile.stateReason}`);
  }

  #refresh(admin: Peer): Promise<"answered" | RpcError> {
    return admin.call("profile", "RefreshProfile", { profile: ID }, { deadlineMs: 20_000 }).then(
      () => "answered" as const,
      (error: RpcError) => error,
    );
  }

  #atMostTwice(): void {
    if (this.#rotation === "none") return;
    const again = [...this.#sent().values()].find((times) => times > 2);
    if (again !== undefined)
      throw new Error(`a refresh token was sent ${again} times: ${[...this.#sent().values()]}`);
  }

  /** Waits until what could not be written is written. False if the broker does not live to see it. */
  async #settled(): Promise<boolean> {
    const agent = await this.#peer("agent");
    try {
      while (!(await agent.status()).store.writable) await pause(50);
      return true;
    } catch {
      return false;
    } finally {
      agent.close();
    }
  }

  async #generation(admin: Peer): Promise<number> {
    const { profile } = (await admin.call("profile", "GetProfile", { profile: ID })) as unknown as Shown;
    return profile.generation;
  }

  /** How often each refresh token reached the server. */
  #sent(): ReadonlyMap<string, number> {
    const times = new Map<string, number>();
    for (const { fingerprint, grantType } of this.#server.requests) {
      if (grantType !== "refresh_token" || fingerprint === undefined) continue;
      times.set(fingerprint, (times.get(fingerprint) ?? 0) + 1);
    }
    return times;
  }

  #total(sent: ReadonlyMap<string, number>): number {
    return [...sent.values()].reduce((a, b) => a + b, 0);
  }

  /** A connection to the broker, which is started if it does not run. */
  async #peer(endpoint: "agent" | "admin"): Promise<Peer> {
    if (this.#broker === undefined) {
      this.#broker = await start(process.execPath, [this.#main, "serve"], {
        env: { ...process.env, AUTH_BROKER_HOME: this.#home, UV_THREADPOOL_SIZE: "1" },
      });
      await this.#broker.line(/the broker serves/);
      this.#isWarm = false;
    }
    return new Peer(parseAddress(join(this.#home, "run", `${endpoint}.sock`)));
  }

  #running(): Running {
    if (this.#broker === undefined) throw new Error("the broker does not run");
    return this.#broker;
  }

  #named(calls: readonly FileCall[], threads: Threads): Point[] {
    const times = new Map<string, number>();
    return calls.map(({ tid, ...call }) => {
      const what = this.#whatOf(call);
      const thread = tid === threads.files ? "files" : "main";
      const key = `${tid} ${what}`;
      const nth = (times.get(key) ?? 0) + 1;
      times.set(key, nth);
      return { ...call, thread, what, nth };
    });
  }

  #whatOf({ text, name }: Omit<FileCall, "tid">): string {
    const isOnNetwork = text.includes(`:${new URL(this.#server.tokenUrl).port}`) || /AF_INET|<TCP/.test(text);
    const path = text.match(new RegExp(`${this.#home}/([^">]*)`))?.[1]?.replaceAll(/[0-9a-f]{12}/g, "*");
    const where = isOnNetwork ? " tcp" : path === undefined ? "" : ` ${path}`;
    return `${name}${where}`;
  }
}

interface Shown {
  readonly profile: { readonly generation: number; readonly state: string; readonly stateReason: string };
}

/** A copy of the program with a text of one of its files replaced. Gives its main file and what removes it. */
export function broken(file: string, from: string | RegExp, to: string) {
  const place = mkdtempSync(join(tmpdir(), "broken-"));
  cpSync(join(ROOT, "dist"), join(place, "dist"), { recursive: true });
  for (const name of ["node_modules", "proto"]) symlinkSync(join(ROOT, name), join(place, name));
  mkdirSync(place, { recursive: true });
  cpSync(join(ROOT, "package.json"), join(place, "package.json"));
  const path = join(place, "dist", file);
  const before = readFileSync(path, "utf8");
  const after = before.replace(from, to);
  if (after === before) throw new Error(`${file} has no such text`);
  writeFileSync(path, after);
  return { main: join(place, "dist/cli/main.js"), remove: () => rmSync(place, { recursive: true }) };
}
