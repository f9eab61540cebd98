import { once } from "node:events";
import { lstatSync, readFileSync, readlinkSync } from "node:fs";
import type { Server } from "node:net";
import { dirname } from "node:path";
import { EndpointError } from "./error.ts";
import { asEndpointError, checkDirectory } from "./path-check.ts";
import type { SocketMode } from "./policy.ts";

/**
 * Listens on a socket that the system opened for us, such as by socket activation. It stays when we go. Rejects with
 * `EndpointError`, exit 78, if it lies elsewhere than this endpoint should, or where others could replace it, or is open
 * to others although this endpoint is for our own user.
 */
export async function adopt(
  server: Server,
  fd: number,
  path: string,
  mode: SocketMode,
  uid: number,
): Promise<void> {
  checkDirectory(dirname(path), uid, false);
  const at = passedPath(fd);
  if (at !== path) throw new EndpointError(78, `the socket that was passed is ${at ?? "none"}, not ${path}`);
  try {
    const { mode: bits } = lstatSync(path);
    if (mode === "private" && (bits & 0o077) !== 0) {
      throw new EndpointError(78, `${path} is open to others; set SocketMode=0600`);
    }
    server.listen({ fd });
    await once(server, "listening");
  } catch (error) {
    throw error instanceof EndpointError ? error : asEndpointError(error, path);
  }
}

/** Where a descriptor's socket lies, which Node does not tell: /proc/net/unix knows it by its inode (Linux). */
function passedPath(fd: number): string | undefined {
  try {
    const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
    // Num RefCount Protocol Flags Type St Inode Path
    const rows = readFileSync("/proc/net/unix", "utf8").split("\n");
    const row = rows
      .map((line) => /^(?:\S+\s+){6}(\d+) (.*)$/.exec(line))
      .find((found) => found?.[1] === inode);
    return row?.[2];
  } catch {
    return undefined;
  }
}
