import { lstatSync } from "node:fs";
import type { ClientReadableStream, ServiceError } from "@grpc/grpc-js";
import { type Address, addressText, grpcTarget } from "../endpoint/address.ts";
import { channelCredentials } from "../endpoint/pipe-owner.ts";
import { probe } from "../endpoint/probe.ts";
import { exitCodeOf } from "../rpc/exit.ts";
import { toJson } from "../rpc/json.ts";
import { readStatus } from "../rpc/remote.ts";
import { clientConstructor, type Message, SERVICES } from "../rpc/schema.ts";
import { CommandError } from "./command-error.ts";
import { here } from "./here.ts";
import { readerGone } from "./output.ts";
import { withProgress } from "./progress.ts";

/** What a call may take besides the wait that it asks for. */
const CALL_MS = 35_000;
const START = "auth-broker serve";
/** Where to look next, for reasons that come without a help of their own. */
const HELP: Readonly<Record<string, string>> = {
  PROVIDER_UNKNOWN: "auth-broker providers",
  PROFILE_UNKNOWN: "auth-broker profiles",
};

export type Asked = "credential" | "status" | "profile" | "login" | "store";

/** A connection to one service of a broker. */
export interface Line extends Disposable {
  /** `waitMs`: how long the request itself may wait. Rejects with `CommandError`. */
  call(method: string, request: Message, waitMs?: number): Promise<Message>;
  /** Ends when nobody reads standard output any more. Rejects with `CommandError`. */
  stream(method: string, request: Message): AsyncIterable<Message>;
}

/** Connects to a service; nothing is ever started. Rejects with `CommandError` 69, 77 or 78. */
export async function dial(service: Asked): Promise<Line> {
  const address = addressOf(service);
  await mustAnswer(address);
  const Client = clientConstructor(SERVICES[service]);
  const client = new Client(grpcTarget(address), channelCredentials(address));
  const method = (name: string) => {
    const found = client[name];
    if (found === undefined) throw new TypeError(`${service} has no method ${name}`);
    return found.bind(client);
  };
  return {
    call: (name, request, waitMs = 0) => {
      const deadline = new Date(Date.now() + waitMs + CALL_MS);
      const answer = new Promise<Message>((resolve, reject) => {
        method(name)(request, { deadline }, (error: ServiceError | null, message: Message) =>
          error === null ? resolve(message) : refusal(error, address).then(reject),
        );
      });
      return withProgress("waiting for the broker", answer);
    },
    stream: (name, request) => received(method(name)(request), address),
    [Symbol.dispose]: () => client.close(),
  };
}

/** One call of one method. Rejects with `CommandError`. */
export async function ask(service: Asked, method: string, request: Message, waitMs = 0): Promise<Message> {
  using line = await dial(service);
  return await line.call(method, request, waitMs);
}

/** The address at which a service is asked. */
export function addressOf(service: Asked): Address {
  const where = here();
  return service === "credential" || service === "status" ? where.agentAddress : where.adminAddress;
}

/** The answer of a method as proto3 JSON. */
export function answerJson(method: string, answer: Message): Message {
  return toJson(`authbroker.v1.${method}Response`, answer);
}

async function* received(call: ClientReadableStream<Message>, address: Address): AsyncIterable<Message> {
  const hangUp = () => call.cancel();
  readerGone.addEventListener("abort", hangUp);
  try {
    for await (const message of call) yield message as Message;
  } catch (error) {
    if (!readerGone.aborted) throw await refusal(error as ServiceError, address);
  } finally {
    readerGone.removeEventListener("abort", hangUp);
    hangUp();
  }
}

async function mustAnswer(address: Address): Promise<void> {
  const { state, message } = await probe(address);
  switch (state) {
    case "live":
      return;
    case "absent":
      throw new CommandError(69, message, { help: START });
    case "denied":
      throw new CommandError(77, message, {
        help:
          address.kind === "pipe"
            ? "start a broker of your own; if it says the same, use other names: AUTH_BROKER_SOCKET, AUTH_BROKER_ADMIN_SOCKET"
            : "run this as that user, or let the broker's operator add an endpoint",
      });
    case "not_a_socket":
      throw new CommandError(69, message, { help: "move it away, or look at AUTH_BROKER_SOCKET" });
  }
}

/** The failed call as the end of the command. */
async function refusal(error: ServiceError, address: Address): Promise<CommandError> {
  const failure = readStatus(error, Date.now());
  if (failure.reason !== "") {
    const help = HELP[failure.reason];
    return new CommandError(exitCodeOf(failure), failure.message, {
      ...(help !== undefined && { help }),
      ...failure,
    });
  }
  const at = addressText(address);
  switch (failure.code) {
    case "UNAVAILABLE":
      return (
        (await cutOff(address)) ??
        new CommandError(69, `the broker at ${at} went away before it answered`, { help: START })
      );
    case "DEADLINE_EXCEEDED":
      return new CommandError(75, `the broker at ${at} did not answer in time`, {
        code: failure.code,
        help: "it may have done it: look with auth-broker status, then try again",
      });
    case "RESOURCE_EXHAUSTED":
      return new CommandError(64, "the request is larger than a broker takes", { code: failure.code });
    case "UNIMPLEMENTED":
      return new CommandError(78, `what listens at ${at} does not offer this`, {
        code: failure.code,
        help: "look at AUTH_BROKER_SOCKET and AUTH_BROKER_ADMIN_SOCKET: administration has a socket of its own",
      });
    default:
      return new CommandError(exitCodeOf(failure), failure.message, failure);
  }
}

/** A broker closes the connection of a user whom it does not serve before anything is said. */
async function cutOff(address: Address): Promise<CommandError | undefined> {
  if (address.kind !== "unix" || (await probe(address)).state !== "live") return undefined;
  const owner = lstatSync(address.path, { throwIfNoEntry: false })?.uid;
  const own = process.geteuid?.();
  if (owner === undefined || owner === own) return undefined;
  return new CommandError(
    77,
    `the broker at ${address.path}, owned by uid ${owner}, does not serve uid ${own}`,
    {
      help: "run this as that user, or let the broker's operator add an endpoint",
    },
  );
}
