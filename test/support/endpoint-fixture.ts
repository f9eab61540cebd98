import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServerOptions } from "@grpc/grpc-js";
import { onTestFinished } from "vitest";
import type { Address } from "../../src/endpoint/address.ts";
import { EndpointError } from "../../src/endpoint/error.ts";
import { serverOptions, UNREAD_LIMITS } from "../../src/endpoint/limits.ts";
import { type Listener, type ListenOptions, listen } from "../../src/endpoint/listener.ts";
import { OpenStreams } from "../../src/endpoint/open-streams.ts";
import { receiveDeadline } from "../../src/endpoint/receive-deadline.ts";
import { ResetFloods } from "../../src/endpoint/reset-floods.ts";
import { startTimer } from "../../src/endpoint/timer.ts";
import { type EchoClient, type EchoServer, echoClient, echoServer } from "./echo.ts";

/** A directory of the running test alone, mode 0700. */
export function ownDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "ep-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export const unix = (path: string): Address => ({ kind: "unix", path });

export interface Opened extends EchoServer {
  readonly listener: Listener;
  readonly address: Address;
}

/** An echo server behind a listener; both are closed when the test ends. */
export async function open(
  path: string,
  options: Partial<ListenOptions> = {},
  grpcOptions: ServerOptions = {},
): Promise<Opened> {
  const streams = new OpenStreams(UNREAD_LIMITS, startTimer, new ResetFloods());
  const interceptors = [receiveDeadline(10_000, startTimer, streams)];
  const echo = echoServer("A", { ...serverOptions, interceptors, ...grpcOptions });
  const address = unix(path);
  const known = { name: "agent", address, server: echo.server, streams, mode: "private" } as const;
  const listener = await listen({ ...known, ...options });
  onTestFinished(async () => {
    await listener.close();
    echo.server.forceShutdown();
  });
  return { ...echo, listener, address };
}

/** A client that is closed when the test ends. */
export function clientOf(address: Address): EchoClient {
  const client = echoClient(address);
  onTestFinished(() => client.close());
  return client;
}

/** A bare connection. `closed` resolves when the other side has hung up, however it did. */
export async function rawConnection(path: string): Promise<{ socket: Socket; closed: Promise<void> }> {
  const socket = connect(path);
  socket.on("error", () => {});
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  // Without reading, the end of the stream would never be seen.
  socket.resume();
  onTestFinished(() => void socket.destroy());
  return { socket, closed };
}

/** The error with which an endpoint was refused; fails if it was not. */
export async function refusal(opening: Promise<unknown>): Promise<EndpointError> {
  try {
    await opening;
  } catch (error) {
    if (error instanceof EndpointError) return error;
    throw error;
  }
  throw new Error("was not refused");
}
