import { randomUUID } from "node:crypto";
import type { Readable, Writable } from "node:stream";
import type { Acquired } from "../client/index.ts";
import {
  type Asked,
  failureAnswer,
  loginRequest,
  logoutRequest,
  type RequestId,
  readClient,
  readServer,
  refreshAnswer,
  type Said,
} from "./app-server.ts";
import { GoingOn } from "./going-on.ts";
import { linesOf, write } from "./lines.ts";
import { isOther, type Loan } from "./loan.ts";
import { reasonOf } from "./reason.ts";
import type { Windows } from "./turn.ts";

/** Both ends of a conversation with an app-server. */
export interface Ends {
  /** What the client says, and where it listens. */
  readonly client: { readonly input: Readable; readonly output: Writable };
  /** What the server says, and where it listens. */
  readonly server: { readonly input: Readable; readonly output: Writable };
}

/** Logins that would give the app-server a refresh token of its own. */
const OWN_LOGINS = new Set(["chatgpt", "chatgptDeviceCode"]);
/** Logins that the broker's takes the place of. Others, such as those of clouds, are none of its business. */
const REPLACED = new Set(["chatgptAuthTokens", "apiKey"]);

type Ended = Extract<Said, { kind: "turnEnded" }>;

/** Answers of the server are awaited under these ids; only a client's own reach the client. */
type Awaited = Map<RequestId, (error: string | undefined) => void>;

/**
 * Stands between a client and the app-server of Codex. Every line goes through as it is, but the login: the
 * server gets the broker's credential in place of the client's, or before its first request if the client
 * does not log in; another one before a turn as soon as the broker says so; and one when it asks for it.
 */
export class Shim {
  readonly #ends: Ends;
  readonly #loan: Loan;
  readonly #note: (line: string) => void;
  readonly #prefix = `auth-broker:${randomUUID()}:`;
  readonly #awaited: Awaited = new Map();
  readonly #models = new Map<string, string>();
  readonly #turns = new Map<string, Acquired>();
  readonly #goingOn = new GoingOn();
  #requests = 0;
  #windows: Windows = {};
  /** Whose login the server has: none was asked for yet, ours, or one that is not to be replaced. */
  #state: "new" | "ours" | "theirs" = "new";

  constructor(ends: Ends, loan: Loan, note: (line: string) => void) {
    this.#ends = ends;
    this.#loan = loan;
    this.#note = note;
  }

  /** Passes on what the client says, until it says no more. */
  async fromClient(): Promise<void> {
    const { client, server } = this.#ends;
    for await (const line of linesOf(client.input)) {
      const asked = readClient(line);
      const mayPass = asked === undefined || (await this.#asked(asked, line));
      if (mayPass) await write(server.output, this.#goingOn.toServer(line));
    }
  }

  /** Passes on what the server says, until it says no more. */
  async fromServer(): Promise<void> {
    const { client, server } = this.#ends;
    for await (const line of linesOf(server.input)) {
      const said = readServer(line, this.#awaited.size > 0);
      const mayPass = said === undefined || this.#said(said, line);
      if (mayPass) await write(client.output, this.#goingOn.toClient(line));
    }
  }

  /** What is to happen before a request of the client; false: it is not to reach the server. */
  async #asked(asked: Asked, line: Buffer): Promise<boolean> {
    switch (asked.kind) {
      case "initialize":
        this.#goingOn.client(asked.client);
        return true;
      case "logout":
        this.#state = "theirs";
        this.#loan.holds(undefined);
        return true;
      case "login":
        return this.#login(asked);
      case "turn":
        if (this.#state === "theirs") return true;
        return this.#trying(asked.id, async () => {
          const model = asked.model ?? this.#models.get(asked.threadId);
          this.#goingOn.starts(asked.threadId, line);
          this.#turns.set(asked.threadId, await this.#ready(model));
        });
      case "request":
        // A client may ask who is logged in before it does anything else. A failure is told at the first turn.
        if (this.#state === "new") {
          this.#state = "ours";
          await this.#ready().catch(() => {});
        }
        return true;
    }
  }

  async #login({ id, type }: Extract<Asked, { kind: "login" }>): Promise<boolean> {
    if (OWN_LOGINS.has(type)) {
      const help = "auth-broker login openai-codex";
      const message = `the broker keeps the logins, so none can be made here; what helps: ${help}`;
      await write(this.#ends.client.output, failureAnswer(id, message, { help }));
      return false;
    }
    if (!REPLACED.has(type)) {
      this.#state = "theirs";
      return true;
    }
    this.#state = "ours";
    await this.#trying(id, async () => this.#logIn(await this.#loan.take(), id));
    return false;
  }

  /** Sees to it that the server has the credential that should serve now. */
  async #ready(model?: string): Promise<Acquired> {
    const granted = await this.#loan.take(model);
    if (isOther(granted, this.#loan.current)) await this.#change(granted);
    else this.#loan.holds(granted);
    return granted;
  }

  /**
   * Logs the server in with another credential. In the middle of a turn too: an answer that names another
   * account without a login before it would end the turn (0.169, measured).
   */
  async #change(granted: Acquired): Promise<void> {
    const before = this.#loan.current?.lease.profile;
    const { profile } = granted.lease;
    const error = await this.#logIn(granted);
    if (error !== undefined) throw new Error(`Codex refuses the login of ${profile}: ${error}`);
    if (before !== undefined && before !== profile) this.#note(`Codex goes on with ${profile}`);
  }

  /** Logs the server in. With a `clientId` the answer goes to the client. Resolves with the server's error. */
  async #logIn(granted: Acquired, clientId?: RequestId): Promise<string | undefined> {
    const { credential } = granted;
    const id = clientId ?? this.#nextId();
    const request = loginRequest(id, credential);
    const before = this.#loan.current?.credential;
    if (before !== undefined && (before.apiKey === undefined) !== (credential.apiKey === undefined)) {
      const logout = this.#nextId();
      await this.#ask(logout, logoutRequest(logout));
    }
    const error = await this.#ask(id, request);
    this.#loan.holds(error === undefined ? granted : undefined);
    this.#windows = {};
    return error;
  }

  #ask(id: RequestId, request: string): Promise<string | undefined> {
    return new Promise((resolve) => {
      this.#awaited.set(id, resolve);
      void write(this.#ends.server.output, request);
    });
  }

  #nextId(): string {
    this.#requests += 1;
    return `${this.#prefix}${this.#requests}`;
  }

  /** Answers a request of the client with the reason why it cannot be served. */
  async #trying(id: RequestId, serve: () => Promise<unknown>): Promise<boolean> {
    try {
      await serve();
      return true;
    } catch (error) {
      await write(this.#ends.client.output, failureAnswer(id, ...reasonOf(error)));
      return false;
    }
  }

  /** Takes note of what the server says; false: it is not for the client. */
  #said(said: Said, line: Buffer): boolean {
    switch (said.kind) {
      case "refresh":
        if (this.#state !== "ours") return true;
        void this.#refresh(said.id);
        return false;
      case "answer": {
        // Before the server says anything of a turn that it begins.
        this.#goingOn.answered(said.id, said.turnId);
        this.#awaited.get(said.id)?.(said.error);
        this.#awaited.delete(said.id);
        return !String(said.id).startsWith(this.#prefix);
      }
      case "thread":
        this.#models.set(said.threadId, said.model);
        return true;
      case "limits":
        this.#limits(said.windows);
        return true;
      case "turnStarted":
        return !this.#goingOn.hasName(said.turnId);
      case "trouble":
        return !this.#goingOn.holds(said.threadId, line);
      case "turnEnded":
        return this.#ended(said, line);
    }
  }

  async #refresh(id: RequestId): Promise<void> {
    const { server } = this.#ends;
    try {
      const granted = await this.#loan.renew();
      const answer = refreshAnswer(id, granted.credential);
      if (granted.lease.profile !== this.#loan.current?.lease.profile) await this.#change(granted);
      this.#loan.holds(granted);
      // What comes of the running turns is said of the new one from now on.
      for (const thread of this.#turns.keys()) this.#turns.set(thread, granted);
      await write(server.output, answer);
    } catch (error) {
      this.#note(`no token in place of a refused one: ${(error as Error).message}`);
      await write(server.output, failureAnswer(id, ...reasonOf(error)));
    }
  }

  /** A window that is full belongs to a failure, which is told when the turn ends. */
  #limits(windows: Windows): void {
    this.#windows = { ...this.#windows, ...windows };
    const granted = this.#loan.current;
    const isFull = Object.values(windows).some(({ usedPercent }) => usedPercent >= 100);
    if (granted === undefined || isFull || Object.keys(windows).length === 0) return;
    this.#loan.observe(granted, windows);
  }

  #ended(ended: Ended, line: Buffer): boolean {
    const { threadId, isOver, error } = ended;
    const granted = this.#turns.get(threadId) ?? this.#loan.current;
    this.#turns.delete(threadId);
    if (granted !== undefined && this.#state !== "theirs") {
      const model = this.#models.get(threadId);
      this.#loan.report({ granted, model, windows: this.#windows, isOver, error });
      if (this.#goingOn.mayGoOn(ended, granted.lease.profile)) {
        void this.#goOn(ended, line);
        return false;
      }
    }
    this.#release(threadId);
    return true;
  }

  /** Goes on with a turn under the next account, or lets the client have its end. */
  async #goOn(ended: Ended, line: Buffer): Promise<void> {
    const { threadId } = ended;
    try {
      const granted = await this.#loan.take(this.#models.get(threadId));
      if (!this.#goingOn.isNew(threadId, granted.lease.profile)) throw new Error("nothing else is usable");
      if (isOther(granted, this.#loan.current)) await this.#change(granted);
      this.#turns.set(threadId, granted);
      const id = this.#nextId();
      const error = await this.#ask(id, this.#goingOn.request(id, ended));
      if (error !== undefined) throw new Error(error);
    } catch {
      this.#release(threadId);
      await write(this.#ends.client.output, this.#goingOn.toClient(line));
    }
  }

  #release(threadId: string): void {
    for (const line of this.#goingOn.release(threadId))
      void write(this.#ends.client.output, this.#goingOn.toClient(line));
  }
}
