import { join } from "node:path";
import { onTestFinished } from "vitest";
import { start } from "./process.mjs";

const RELAY = join(import.meta.dirname, "loopback-relay.mjs");

/**
 * One way out of the network that a process lives in, which has nothing but loopback: whoever connects to the
 * port talks to the unix socket. Gives the port. Ends with the test.
 */
export async function wayOut(pid: number, socket: string): Promise<string> {
  const inside = [`--net=/proc/${pid}/ns/net`, "--", process.execPath, RELAY, "--out", socket];
  const relay = await start("nsenter", inside, { keepStdin: true });
  onTestFinished(() => relay.kill().then(() => {}));
  const [, port = ""] = await relay.line(/^port (\d+)$/);
  return port;
}
