import {
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  credentials,
  Server,
  type ServerDuplexStream,
  type ServerOptions,
  type ServerUnaryCall,
  type ServiceError,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { type Address, grpcTarget } from "../../src/endpoint/address.ts";

/** What goes both ways. `hold` leaves a unary call unanswered until `release` is called. */
export interface Message {
  readonly text: string;
  readonly hold?: boolean;
}
export interface Reply {
  readonly text: string;
  /** Who answered. */
  readonly by: string;
  /** What the server saw of the caller. */
  readonly peer: string;
}

const encode = (value: Message | Reply): Buffer => Buffer.from(JSON.stringify(value));
const decodeMessage = (bytes: Buffer): Message => JSON.parse(bytes.toString());
const decodeReply = (bytes: Buffer): Reply => JSON.parse(bytes.toString());
const method = (name: string, stream: boolean) => ({
  path: `/test.Echo/${name}`,
  requestStream: stream,
  responseStream: stream,
  requestSerialize: encode,
  requestDeserialize: decodeMessage,
  responseSerialize: encode,
  responseDeserialize: decodeReply,
});

export interface EchoServer {
  readonly server: Server;
  /** Resolves when a `hold` call has arrived. */
  readonly held: Promise<void>;
  /** Answers the `hold` call. */
  release(): void;
}

/** A bare server with a unary `Say` and a bidirectional `Chat`, which say who answers and who asked. */
export function echoServer(by: string, options: ServerOptions): EchoServer {
  const server = new Server(options);
  let arrived = () => {};
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  server.addService(
    { Say: method("Say", false), Chat: method("Chat", true) },
    {
      Say(call: ServerUnaryCall<Message, Reply>, answer: sendUnaryData<Reply>) {
        const reply = { text: call.request.text, by, peer: call.getPeer() };
        if (call.request.hold !== true) return answer(null, reply);
        arrived();
        void released.then(() => answer(null, reply));
      },
      Chat(call: ServerDuplexStream<Message, Reply>) {
        call.on("data", ({ text }: Message) => call.write({ text, by, peer: call.getPeer() }));
        call.on("end", () => call.end());
      },
    },
  );
  return { server, held, release };
}

export interface EchoClient {
  say(message: Message): Promise<Reply>;
  chat(): ClientDuplexStream<Message, Reply>;
  close(): void;
}

/** A client with a connection of its own. */
export function echoClient(address: Address, options: ChannelOptions = {}): EchoClient {
  const client = new Client(grpcTarget(address), credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    ...options,
  });
  return {
    say: (message) =>
      new Promise((resolve, reject) => {
        const done = (error: ServiceError | null, reply?: Reply) =>
          reply === undefined ? reject(error) : resolve(reply);
        client.makeUnaryRequest("/test.Echo/Say", encode, decodeReply, message, done);
      }),
    chat: () => client.makeBidiStreamRequest("/test.Echo/Chat", encode, decodeReply),
    close: () => client.close(),
  };
}
