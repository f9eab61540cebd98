import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  Server,
  ServerCredentials,
  type ServiceClientConstructor,
  type ServiceError,
} from "@grpc/grpc-js";
import type { Message, Service } from "../../src/rpc/schema.ts";

/** A bare grpc-js server on a unix socket of its own, without any of the broker's endpoint. */
export async function serveOnSocket(services: readonly Service[]) {
  const directory = await mkdtemp(join(tmpdir(), "rpc-"));
  const socket = join(directory, "s.sock");
  const server = new Server();
  for (const { definition, implementation } of services) server.addService(definition, implementation);
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    );
  });
  return {
    socket,
    async [Symbol.asyncDispose]() {
      server.forceShutdown();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A client of one service on a socket, with its calls as promises and streams. */
export function connectTo(Client: ServiceClientConstructor, socket: string) {
  const client = new Client(`unix:${socket}`, credentials.createInsecure());
  const method = (name: string) => {
    const found = client[name];
    if (found === undefined) throw new Error(`no call ${name}`);
    return found.bind(client);
  };
  return {
    unary: (name: string, request: Message) =>
      new Promise<Message>((resolve, reject) => {
        method(name)(request, (error: ServiceError | null, answer: Message) =>
          error === null ? resolve(answer) : reject(error),
        );
      }),
    stream: (name: string, request: Message): ClientReadableStream<Message> => method(name)(request),
    duplex: (name: string): ClientDuplexStream<Message, Message> => method(name)(),
    async [Symbol.asyncDispose]() {
      client.close();
    },
  };
}
