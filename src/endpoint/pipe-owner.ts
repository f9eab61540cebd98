import { type ChannelCredentials, credentials } from "@grpc/grpc-js";
import { type Address, addressText, socketPath } from "./address.ts";

/**
 * Says whose a pipe is if it is known to be another user's. Undefined for one of our own, for every socket file,
 * and where nobody can tell. Rejects if the pipe cannot be looked at.
 */
export async function foreignOwner(address: Address): Promise<string | undefined> {
  if (address.kind === "unix") return undefined;
  // Windows only, and it loads native calls.
  const { pipeOwner } = await import("../system/pipe.ts");
  const owner = await pipeOwner(socketPath(address));
  if (owner?.is !== "foreign") return undefined;
  const sid = owner.sid === undefined ? "" : ` (${owner.sid})`;
  return `the pipe ${addressText(address)} belongs to another user${sid}`;
}

/**
 * What speaks against telling anything to a pipe to which a connection is open, for people: another user made it, or
 * nobody can tell. Undefined for one of our own, and for every socket file: nobody else can write to its directory.
 * Rejects if the pipe cannot be looked at.
 */
export async function strangerAt(address: Address): Promise<string | undefined> {
  if (address.kind === "unix") return undefined;
  const { knowsPipes } = await import("../system/pipe.ts");
  if (knowsPipes()) return await foreignOwner(address);
  return `the package koffi is not there, so that nobody can tell whose pipe ${addressText(address)} is`;
}

/**
 * Credentials for a channel to that address: nothing is sent on a connection, nor on one that is made later, before
 * `judge` has found nothing against what it leads to.
 */
export function channelCredentials(address: Address, judge = strangerAt): ChannelCredentials {
  const plain = credentials.createInsecure();
  if (address.kind === "unix") return plain;
  const connectorOf = plain._createSecureConnector.bind(plain);
  plain._createSecureConnector = (...about) => {
    const connector = connectorOf(...about);
    return {
      ...connector,
      connect: async (socket) => {
        // grpc-js listens for errors before this and after it, not meanwhile.
        const ignore = () => {};
        socket.on("error", ignore);
        const objection = await judge(address);
        if (objection !== undefined) throw new Error(objection);
        // What was judged was the pipe of this connection only if that is still open.
        if (socket.destroyed) throw new Error(`the connection to ${addressText(address)} is gone`);
        socket.off("error", ignore);
        return connector.connect(socket);
      },
    };
  };
  return plain;
}
