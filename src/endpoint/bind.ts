import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync, lstatSync, renameSync, unlinkSync } from "node:fs";
import type { Server } from "node:net";
import { dirname, join } from "node:path";
import { type Address, pathLimit, socketPath } from "./address.ts";
import { EndpointError, errorCode } from "./error.ts";
import { asEndpointError } from "./path-check.ts";
import { foreignOwner } from "./pipe-owner.ts";
import type { SocketMode } from "./policy.ts";

/** Which file a bound socket is, whatever its name. */
export interface SocketFile {
  readonly path: string;
  readonly device: bigint;
  readonly inode: bigint;
}

const PERMISSIONS: Record<SocketMode, number> = { private: 0o600, shared: 0o666 };

/**
 * Listens at `path`, replacing what `claim` found dead there. The socket is bound under a private
 * name and then renamed: libuv removes a socket by the name it was bound with, so that closing can
 * never remove a successor's. Between the first line and the rename nothing else runs in this
 * process. Rejects with `EndpointError`.
 */
export async function bind(
  server: Server,
  path: string,
  mode: SocketMode,
  backlog: number,
): Promise<SocketFile> {
  const privatePath = privateName(path);
  const umask = process.umask(0o777 & ~PERMISSIONS[mode]);
  try {
    // Exclusive: under node:cluster another process would bind, without our umask.
    server.listen({ path: privatePath, exclusive: true, backlog });
  } finally {
    process.umask(umask);
  }
  if (!server.listening) {
    const [cause]: unknown[] = await once(server, "error");
    throw asEndpointError(cause, dirname(path));
  }
  try {
    return publish(privatePath, path, mode);
  } catch (error) {
    server.close();
    throw asEndpointError(error, path);
  }
}

/**
 * Listens on a Windows pipe, which has neither file nor umask and goes with its process, and leaves it to our user
 * alone, if koffi is there. Rejects with `EndpointError`: exit 75 if a broker of ours has it, 78 if another user does.
 */
export async function bindPipe(server: Server, address: Address & { readonly kind: "pipe" }): Promise<void> {
  const path = socketPath(address);
  server.listen({ path, exclusive: true });
  try {
    await once(server, "listening");
  } catch (error) {
    if (errorCode(error) !== "EADDRINUSE") throw asEndpointError(error, path);
    refuseForeign(await foreignOwner(address).catch(() => undefined));
    throw new EndpointError(75, `a broker is already listening at ${path}`);
  }
  const { restrictPipe } = await import("../system/pipe.ts");
  try {
    // libuv asks for a name that nobody has (FILE_FLAG_FIRST_PIPE_INSTANCE), which Wine 8 does not heed; and there
    // a pipe has no owner before it has an access list.
    await restrictPipe(path);
    refuseForeign(await foreignOwner(address));
  } catch (error) {
    server.close();
    if (error instanceof EndpointError) throw error;
    throw new EndpointError(78, (error as Error).message, { cause: error });
  }
}

function refuseForeign(foreign: string | undefined): void {
  if (foreign !== undefined)
    throw new EndpointError(78, `${foreign}; set AUTH_BROKER_SOCKET or AUTH_BROKER_HOME`);
}

function publish(privatePath: string, path: string, mode: SocketMode): SocketFile {
  const stats = lstatSync(privatePath, { bigint: true });
  // A default ACL of the directory takes the umask's place.
  if ((Number(stats.mode) & 0o777 & ~PERMISSIONS[mode]) !== 0) chmodSync(privatePath, PERMISSIONS[mode]);
  renameSync(privatePath, path);
  return { path, device: stats.dev, inode: stats.ino };
}

/**
 * Removes the socket if it is still the one that was bound; another one at its place stays. If that
 * fails it stays too, as it does after a crash: the next broker takes over a dead socket.
 */
export function release(file: SocketFile): void {
  try {
    const stats = lstatSync(file.path, { bigint: true });
    if (stats.dev === file.device && stats.ino === file.inode) unlinkSync(file.path);
  } catch {
    // Nothing depends on it, and the shutdown must go on.
  }
}

/** An unused name in the same directory that is no longer than the system allows. */
function privateName(path: string): string {
  const directory = dirname(path);
  const room = pathLimit() - Buffer.byteLength(join(directory, "x")) + 1;
  for (let tries = 0; tries < 100; tries += 1) {
    const candidate = join(directory, randomBytes(6).toString("hex").slice(0, room));
    if (lstatSync(candidate, { throwIfNoEntry: false }) === undefined) return candidate;
  }
  throw new EndpointError(78, `no free name in ${directory}; use a shorter path`);
}
