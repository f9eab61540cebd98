import type { Said } from "./app-server.ts";
import { type Fields, fieldsIn, fieldsOf } from "./fields.ts";

type Ended = Extract<Said, { kind: "turnEnded" }>;

/**
 * Clients that give up their login when a turn fails at a limit: OpenClaw (2026.9.6, measured) bars the one
 * that it has, and refuses every later turn. For them a turn goes on under the next account instead.
 */
const CLIENTS = new Set(["openclaw"]);
/** Failures that another account does not have. */
const ABOUT_ACCOUNT = new Set([
  ...["usage_limit_exceeded", "organization_usage_limit_exceeded", "rate_limit_exceeded", "unauthorized"],
]);
/** Names of turns that are remembered: as many as a client may still ask about. */
const MOST_NAMES = 64;

interface Running {
  readonly params: Fields;
  /** Profiles that served it. */
  readonly tried: Set<string>;
}

/**
 * Turns that go on: to the server each part is a turn of its own, the client sees one. An empty input makes
 * the model answer what the thread ends with, also in the middle of its work (Codex 0.169, measured).
 */
export class GoingOn {
  #isOn = false;
  readonly #running = new Map<string, Running>();
  readonly #held = new Map<string, Buffer[]>();
  /** By the server's name of a turn the client's. */
  readonly #names = new Map<string, string>();
  /** By the id of our own request the turn that it goes on with, as the client names it. */
  readonly #asked = new Map<unknown, { readonly threadId: string; readonly turnId: string }>();

  /** Who the client is. */
  client(name: string): void {
    this.#isOn = CLIENTS.has(name);
  }

  /** The client starts a turn. */
  starts(threadId: string, line: Buffer): void {
    if (!this.#isOn) return;
    const { method, params } = fieldsIn(line.toString("utf8"));
    this.#running.delete(threadId);
    if (method !== "turn/start") return;
    // What was said with the prompt is in the thread already.
    const { input, additionalContext, ...rest } = fieldsOf(params);
    this.#running.set(threadId, { params: { ...rest, input: [] }, tried: new Set() });
  }

  /** Keeps from the client what announces the end of a failing turn, until that end is known. */
  holds(threadId: string, line: Buffer): boolean {
    if (!this.#running.has(threadId)) return false;
    this.#held.set(threadId, [...(this.#held.get(threadId) ?? []), line]);
    return true;
  }

  /** The turn has ended for the client too. Gives what was kept. */
  release(threadId: string): readonly Buffer[] {
    const lines = this.#held.get(threadId) ?? [];
    this.#held.delete(threadId);
    this.#running.delete(threadId);
    return lines;
  }

  /** Whether a turn that has ended may go on with another profile than this one. */
  mayGoOn({ threadId, error }: Ended, profile: string): boolean {
    const running = this.#running.get(threadId);
    if (running === undefined || error === undefined || !ABOUT_ACCOUNT.has(error.code)) return false;
    running.tried.add(profile);
    return true;
  }

  /** Whether this profile has not served the turn yet. */
  isNew(threadId: string, profile: string): boolean {
    return this.#running.get(threadId)?.tried.has(profile) === false;
  }

  /** Our own request with which a turn goes on. */
  request(id: string, { threadId, turnId }: Ended): string {
    this.#asked.set(id, { threadId, turnId: this.#names.get(turnId) ?? turnId });
    const { params } = this.#running.get(threadId) ?? {};
    return `${JSON.stringify({ id, method: "turn/start", params })}\n`;
  }

  /** The server's answer to that: the turn has gone on under another name, and what was kept is void. */
  answered(id: unknown, turnId: string): void {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    if (asked === undefined || turnId === "") return;
    this.#held.delete(asked.threadId);
    this.#names.set(turnId, asked.turnId);
    const [oldest] = this.#names.keys();
    if (this.#names.size > MOST_NAMES && oldest !== undefined) this.#names.delete(oldest);
  }

  /** Whether the client knows this turn under another name, so that its beginning is no news. */
  hasName(turnId: string): boolean {
    return this.#names.has(turnId);
  }

  /** A line of the server in the client's names. */
  toClient(line: Buffer): Buffer {
    return renamed(line, this.#names);
  }

  /** A line of the client in the server's names. */
  toServer(line: Buffer): Buffer {
    return renamed(line, new Map([...this.#names].map(([server, client]) => [client, server])));
  }
}

function renamed(line: Buffer, names: ReadonlyMap<string, string>): Buffer {
  const found = [...names].filter(([from]) => line.includes(from));
  if (found.length === 0) return line;
  return Buffer.from(found.reduce((text, [from, to]) => text.replaceAll(from, to), line.toString("utf8")));
}
