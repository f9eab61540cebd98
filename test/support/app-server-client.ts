import type { CodexWorld } from "./codex-world.ts";
import type { ProcessOptions, Running } from "./process.mjs";

type Fields = Record<string, unknown>;

/** What the server answers; exactly one of both is there. */
export interface Answer {
  readonly result?: Fields;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: Fields };
}

/** How a turn ended. */
export interface Turn {
  readonly id: string;
  readonly status: string;
  readonly error: { readonly message: string; readonly codexErrorInfo: unknown } | null;
}

/** A client of an app-server, as editors and agents have one: JSON-RPC, one message a line. */
export class AppServerClient {
  readonly running: Running;
  #requests = 0;

  constructor(running: Running) {
    this.running = running;
  }

  /** Sends a request, and resolves with what comes back under its id. */
  async request(method: string, params?: object): Promise<Answer> {
    this.#requests += 1;
    const id = this.#requests;
    this.running.send(JSON.stringify({ id, method, ...(params !== undefined && { params }) }));
    return JSON.parse((await this.running.line(new RegExp(`^\\{("id":${id},.*|.*,"id":${id}\\})$`)))[0]);
  }

  async thread(): Promise<string> {
    const { result, error } = await this.request("thread/start", {});
    if (result === undefined) throw new Error(error?.message);
    return (result.thread as { readonly id: string }).id;
  }

  /** Begins a turn and waits for its end. */
  async turn(threadId: string, text: string): Promise<Turn> {
    const id = await this.begin(threadId, text);
    const [line] = await this.running.line(new RegExp(`^\\{"method":"turn/completed".*"${id}".*$`));
    return JSON.parse(line).params.turn;
  }

  /** Begins a turn; gives its id. */
  async begin(threadId: string, text: string): Promise<string> {
    const { result, error } = await this.request("turn/start", { threadId, input: [{ type: "text", text }] });
    if (result === undefined) throw new Error(error?.message);
    return (result.turn as Turn).id;
  }

  /** All messages so far that are no answers. */
  told(): readonly { readonly method: string; readonly id?: unknown; readonly params: Fields }[] {
    const lines = this.running.stdout().split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line)).filter(({ method }) => method !== undefined);
  }
}

/** An app-server behind the shim, to which a client of that name has said hello. */
export async function startAppServer(
  { start }: Pick<CodexWorld, "start">,
  args: readonly string[] = [],
  { name = "test", ...options }: ProcessOptions & { readonly name?: string } = {},
): Promise<AppServerClient> {
  const client = new AppServerClient(await start(["app-server", ...args], { keepStdin: true, ...options }));
  await client.request("initialize", {
    clientInfo: { name, version: "1" },
    capabilities: { experimentalApi: true },
  });
  client.running.send('{"method":"initialized"}');
  return client;
}
