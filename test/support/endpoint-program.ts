import { EndpointError } from "../../src/endpoint/error.ts";
import { serverOptions } from "../../src/endpoint/limits.ts";
import { listen } from "../../src/endpoint/listener.ts";
import { probe } from "../../src/endpoint/probe.ts";
import { echoServer } from "./echo.ts";

// endpoint-program serve PATH NAME [UID]: an echo server until a line comes on its standard input.
// endpoint-program probe PATH UID: what the probe says for that user.
const [task, path = "", argument = "", uid = ""] = process.argv.slice(2);

async function serve(): Promise<void> {
  if (uid !== "") process.seteuid?.(Number(uid));
  const { server } = echoServer(argument, serverOptions);
  const listener = await listen({
    name: argument,
    address: { kind: "unix", path },
    server,
    streams: { connected: (_peer, _socket, serve) => serve(), has: () => true },
    mode: "private",
  });
  process.stdout.write("listening\n");
  process.stdin.once("data", async () => {
    process.stdin.destroy();
    await listener.close();
    server.forceShutdown();
  });
}

async function probeAs(user: number): Promise<void> {
  process.seteuid?.(user);
  const found = await probe({ kind: "unix", path });
  process.stdout.write(`${JSON.stringify(found)}\n`);
}

try {
  await (task === "serve" ? serve() : probeAs(Number(argument)));
} catch (error) {
  if (!(error instanceof EndpointError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = error.exit;
}
