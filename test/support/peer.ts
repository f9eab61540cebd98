import {
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceError,
  type Client as UntypedClient,
} from "@grpc/grpc-js";
import { type Address, grpcTarget } from "../../src/endpoint/address.ts";
import { fromTwin, toJson } from "../../src/rpc/json.ts";
import { clientConstructor, type Message, SERVICES } from "../../src/rpc/schema.ts";
import { RpcError } from "./rpc-error.ts";
import type { AcquireReply, ExplainReply, Json, NextReply, ReportReply, StatusReply } from "./wire-json.ts";

/** Calls of one endpoint. Requests and answers are proto3 JSON, with `null` for unset messages. */
export class Peer {
  readonly #clients = new Map<string, UntypedClient>();
  readonly #address: Address;

  constructor(address: Address) {
    this.#address = address;
  }

  /** One unary call. Rejects with `RpcError`. */
  async call(service: keyof typeof SERVICES, method: string, request: Json, options: CallOptions = {}) {
    const name = SERVICES[service];
    const prefix = name.slice(0, name.lastIndexOf(".") + 1);
    const message = options.raw ? (request as Message) : fromTwin(`${prefix}${method}Request`, request);
    const answer = await new Promise<Message>((resolve, reject) => {
      const deadline = options.deadlineMs === undefined ? {} : { deadline: Date.now() + options.deadlineMs };
      const call = this.#method(service, method)(
        message,
        new Metadata(),
        deadline,
        (error: ServiceError | null, value: Message) =>
          error === null ? resolve(value) : reject(new RpcError(error)),
      );
      options.onCall?.(call);
    });
    return service === "health" ? answer : (toJson(`${prefix}${method}Response`, answer) as Json);
  }

  stream(service: keyof typeof SERVICES, method: string, request: Json): Stream {
    const prefix = "authbroker.v1.";
    const message = fromTwin(`${prefix}${method}Request`, request);
    return new Stream(this.#method(service, method)(message), `${prefix}${method}Response`);
  }

  acquire(request: Json, options: CallOptions = {}): Promise<AcquireReply> {
    return this.call("credential", "AcquireCredential", request, options) as Promise<never>;
  }
  report(request: Json, options: CallOptions = {}): Promise<ReportReply> {
    return this.call("credential", "ReportOutcome", request, options) as Promise<never>;
  }
  release(leaseId: string): Promise<Json> {
    return this.call("credential", "ReleaseLease", { leaseId });
  }
  watch(request: Json): Stream<NextReply> {
    return this.stream("credential", "WatchCredential", request) as Stream<never>;
  }
  status(): Promise<StatusReply> {
    return this.call("status", "GetStatus", {}) as Promise<never>;
  }
  explain(request: Json): Promise<ExplainReply> {
    return this.call("status", "ExplainSelection", request) as Promise<never>;
  }
  /** The name of the health of a service. Rejects with `RpcError` for one that is not known. */
  async health(service: string): Promise<unknown> {
    return (await this.call("health", "Check", { service }, { raw: true })).status;
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  #method(service: keyof typeof SERVICES, method: string) {
    let client = this.#clients.get(service);
    if (client === undefined) {
      const Client = clientConstructor(SERVICES[service]);
      client = new Client(grpcTarget(this.#address), credentials.createInsecure());
      this.#clients.set(service, client);
    }
    const found = (client as unknown as Record<string, unknown>)[method];
    if (typeof found !== "function") throw new Error(`no call ${method}`);
    return found.bind(client);
  }
}

export interface CallOptions {
  /** The caller's deadline, from now in real time. */
  readonly deadlineMs?: number;
  readonly onCall?: (call: { cancel(): void }) => void;
  /** The request is a message of the schema already. */
  readonly raw?: boolean;
}

/** One server stream, read message by message. */
export class Stream<T = Json> {
  readonly call: ClientReadableStream<Message>;
  readonly #typeName: string;
  readonly #messages: AsyncIterator<Message>;

  constructor(call: ClientReadableStream<Message>, typeName: string) {
    this.call = call;
    this.#typeName = typeName;
    this.#messages = call[Symbol.asyncIterator]();
  }

  /** The next message. Rejects with `RpcError` when the stream ended with an error. */
  async next(): Promise<T> {
    const { value, done } = await this.#messages.next().catch((error: ServiceError) => {
      throw new RpcError(error);
    });
    if (done) throw new Error("the stream has ended without an error");
    return toJson(this.#typeName, value) as T;
  }

  /** Reads on until a message fits. */
  async until(fits: (message: T) => boolean): Promise<T> {
    for (;;) {
      const message = await this.next();
      if (fits(message)) return message;
    }
  }

  cancel(): void {
    this.call.once("error", () => {});
    this.call.cancel();
  }
}
