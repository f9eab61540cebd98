import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerWritableStream,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import type { Failure } from "../../src/domain/failure.ts";
import { timestampOf } from "../../src/rpc/instants.ts";
import { type Message, SERVICES, serviceDefinition } from "../../src/rpc/schema.ts";
import { statusOf } from "../../src/rpc/status.ts";

/** What a handler of the fake answers: a message, or a failure as a broker would send it. */
export type Answer = Message | { readonly failure: Failure };
type Handler = (request: Message, deadline: number) => Answer | Promise<Answer>;

/**
 * A broker without a mind: each call is answered by what the test put there, and what was asked is
 * written down. Can be stopped and started again on its socket.
 */
export class FakeBroker {
  readonly path: string;
  /** Requests of each call, in order. */
  readonly asked: Record<string, Message[]> = {};
  acquire: Handler = () => granted("p:a");
  report: Handler = () => ({ applied: true, outcome: "OUTCOME_OK", scope: "SCOPE_NONE" });
  /** The state of every watch; undefined: not told yet. */
  state: Answer | undefined;
  /** Watches that are open. */
  readonly watches = new Set<ServerWritableStream<Message, Message>>();
  #server: Server | undefined;

  constructor(path: string) {
    this.path = path;
  }

  async start(): Promise<this> {
    const server = new Server();
    server.addService(serviceDefinition(SERVICES.credential), this.#implementation());
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${this.path}`, ServerCredentials.createInsecure(), (error) =>
        error === null ? resolve() : reject(error),
      );
    });
    this.#server = server;
    return this;
  }

  /** Breaks every connection and takes the socket away. */
  stop(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
    this.watches.clear();
  }

  /** Tells every watch a new state; resolves when it is on its way. */
  async tell(state: Answer): Promise<void> {
    this.state = state;
    await Promise.all([...this.watches].map((call) => send(call, state)));
  }

  #implementation(): UntypedServiceImplementation {
    return {
      AcquireCredential: this.#unary("AcquireCredential", (...given) => this.acquire(...given)),
      ReportOutcome: this.#unary("ReportOutcome", (...given) => this.report(...given)),
      ReleaseLease: this.#unary("ReleaseLease", () => ({})),
      WatchCredential: this.#watch(),
    };
  }

  #unary(name: string, handler: Handler): handleUnaryCall<Message, Message> {
    return async (call, callback) => {
      this.#note(name, call.request);
      const answer = await handler(call.request, Number(call.getDeadline()));
      if (isFailure(answer)) callback(statusOf(answer.failure, Date.now()));
      else callback(null, answer);
    };
  }

  #watch(): handleServerStreamingCall<Message, Message> {
    return (call) => {
      this.#note("WatchCredential", call.request);
      this.watches.add(call);
      call.on("cancelled", () => this.watches.delete(call));
      if (this.state !== undefined) void send(call, this.state);
    };
  }

  #note(name: string, request: Message): void {
    const list = this.asked[name] ?? [];
    this.asked[name] = list;
    list.push(request);
  }
}

async function send(call: ServerWritableStream<Message, Message>, state: Answer): Promise<void> {
  if (!isFailure(state)) await new Promise((resolve) => call.write(state, resolve));
  else call.emit("error", statusOf(state.failure, Date.now()));
}

function isFailure(answer: Answer): answer is { readonly failure: Failure } {
  return "failure" in answer;
}

/** The answer to an acquire; `expiresInMs` from now, absent: unknown. */
export function granted(profile: string, generation = 1, expiresInMs?: number): Message {
  const now = Date.now();
  const [provider = ""] = profile.split(":");
  return {
    lease: {
      leaseId: `lease-${profile}-${generation}`,
      provider,
      profile,
      generation,
      issueTime: timestampOf(now),
      expireTime: timestampOf(now + 3_600_000),
      costClass: "COST_CLASS_SUBSCRIPTION",
    },
    credential: {
      oauth: {
        accessToken: `at-FAKE-${profile}-${generation}`,
        tokenType: "Bearer",
        ...(expiresInMs !== undefined && { expireTime: timestampOf(now + expiresInMs) }),
      },
      headers: { authorization: `Bearer at-FAKE-${profile}-${generation}` },
    },
  };
}

/** Why there is none. */
export function unavailable(reason: string, retryInMs?: number): Message {
  return {
    reason,
    message: `no: ${reason}`,
    ...(retryInMs !== undefined && { retryTime: timestampOf(Date.now() + retryInMs) }),
    profiles: [{ profile: "p:a", reason: "COOLING_DOWN" }],
  };
}
