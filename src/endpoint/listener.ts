import { createServer, type Socket } from "node:net";
import { type Server as GrpcServer, ServerCredentials } from "@grpc/grpc-js";
import { type Address, checkAddress } from "./address.ts";
import { adopt } from "./adopt.ts";
import { bind, bindPipe, release } from "./bind.ts";
import { claim } from "./claim.ts";
import { bearable } from "./descriptors.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";
import type { OpenStreams } from "./open-streams.ts";
import { type Connection, forget, type Gate, type Identity, identify, introduce } from "./peer.ts";
import type { SocketMode } from "./policy.ts";
import { type StartTimer, startTimer } from "./timer.ts";

export interface ListenOptions {
  /** The endpoint's name, as its calls see it in `connectionOf(call.getPeer())`. */
  readonly name: string;
  readonly address: Address;
  /** Gets the connections; made with `serverOptions` and `receiveDeadline`, and shut down by its owner. */
  readonly server: GrpcServer;
  /** Knows which connections have a call open: those are not given up for new ones. */
  readonly streams: Pick<OpenStreams, "connected" | "has">;
  readonly mode: SocketMode;
  /** The policy names programs. Default: it does not. */
  readonly needsProgram?: boolean;
  /** A socket that the system opened for us at that address and listens on. */
  readonly fd?: number;
  readonly limits?: Limits;
  /** False cuts the connection off before any frame. Default: everybody that the socket lets in. */
  readonly admit?: (identity: Identity) => boolean;
  /** A connection was not admitted. */
  readonly onCutOff?: (connection: Connection) => void;
  readonly startTimer?: StartTimer;
  /** An accept failed, such as for want of descriptors; the listener goes on. */
  readonly onError?: (error: Error) => void;
}

export interface Listener {
  readonly address: Address;
  /** Connections that are open now. */
  connections(): number;
  /** Takes no more connections and removes the socket, if it is still ours. Open ones go on. */
  stop(): void;
  /** Stops, waits a moment for peers to go, destroys what is still connected, and resolves when no descriptor is left. */
  close(): Promise<void>;
}

/** How long a closing listener waits for its peers to go by themselves, in milliseconds. */
const LAST_WORDS_MS = 200;

/** The client's magic (24 bytes) and the head of its SETTINGS frame (9): RFC 9113 section 3.4. */
const PREFACE_BYTES = 33;

/**
 * Opens an endpoint and feeds its connections to `server`. Rejects with `EndpointError`: exit 75 if
 * a broker is listening there, 77 or 78 if the place cannot be used; then what lay there is untouched.
 */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { address, limits = DEFAULT_LIMITS } = options;
  checkAddress(address);
  const sockets = new Map<Socket, string>();
  const net = createServer();
  net.on("connection", acceptor(options, sockets));
  const remove = await open(net, options, limits.connections);
  net.on("error", (error) => options.onError?.(error));
  const closed = new Promise<void>((resolve) => net.once("close", () => resolve()));

  const stop = () => {
    if (!net.listening) return;
    // While the socket is still bound its inode number cannot have gone to another file.
    remove();
    net.close();
  };
  return {
    address,
    connections: () => sockets.size,
    stop,
    async close() {
      stop();
      // What was said last, such as why a stream ends, must be read before its connection goes.
      await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, LAST_WORDS_MS))]);
      const gone = [...sockets.keys()].map(
        (socket) => new Promise((resolve) => socket.once("close", resolve)),
      );
      for (const socket of sockets.keys()) socket.destroy();
      await Promise.all([closed, ...gone]);
    },
  };
}

/** Listens, and gives what removes the socket's file again. */
async function open(
  net: ReturnType<typeof createServer>,
  { address, mode, fd }: ListenOptions,
  backlog: number,
): Promise<() => void> {
  const uid = process.geteuid?.();
  if (fd !== undefined && address.kind === "unix" && uid !== undefined) {
    await adopt(net, fd, address.path, mode, uid);
    return () => {};
  }
  if (address.kind === "pipe") {
    await bindPipe(net, address);
    return () => {};
  }
  if (uid === undefined) throw new TypeError("a system without user ids has no socket files");
  await claim(address.path, mode, uid);
  const file = await bind(net, address.path, mode, backlog);
  return () => release(file);
}

/** `sockets`: those that are open with the text that `getPeer()` gives for each, oldest first. */
function acceptor(options: ListenOptions, sockets: Map<Socket, string>): (socket: Socket) => void {
  const { name, address, mode, needsProgram = false, limits = DEFAULT_LIMITS, streams } = options;
  const { admit = () => true } = options;
  const gate: Gate = { mode, needsProgram, ...(address.kind === "unix" ? { path: address.path } : {}) };
  const injector = options.server.createConnectionInjector(ServerCredentials.createInsecure());
  let count = 0;
  /** Silent peers must not keep others out: at the limit the oldest that asks nothing goes. */
  const hasRoom = (): boolean => {
    if (sockets.size < bearable(limits.connections)) return true;
    for (const [socket, peer] of sockets) {
      if (streams.has(peer)) continue;
      sockets.delete(socket);
      socket.destroy();
      return true;
    }
    return false;
  };
  return (socket) => {
    const identity = identify(socket, gate);
    count += 1;
    const isAdmitted = admit(identity);
    if (!isAdmitted || !hasRoom()) {
      socket.destroy();
      if (!isAdmitted) options.onCutOff?.({ ...identity, endpoint: name, number: count });
      return;
    }
    // A unix socket has no peer address; this one reaches the handlers through `call.getPeer()`.
    const remoteAddress = introduce({ ...identity, endpoint: name, number: count });
    Object.defineProperty(socket, "remoteAddress", { value: remoteAddress });
    sockets.set(socket, remoteAddress);
    const cancel = (options.startTimer ?? startTimer)(limits.prefaceMs, () => {
      if (socket.bytesRead < PREFACE_BYTES) socket.destroy();
    });
    socket.once("close", () => {
      cancel();
      sockets.delete(socket);
      forget(remoteAddress);
    });
    streams.connected(remoteAddress, socket, () => injector.injectConnection(socket));
  };
}
