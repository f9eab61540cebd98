import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { CACHE } from "./openclaw-program.mjs";
import { run } from "./process.mjs";
import { wayOut } from "./way-out.ts";

const REGISTRY = "registry.npmjs.org";

/**
 * Lets the network that a process lives in, which has nothing but loopback, reach npm's registry and nothing
 * else: OpenClaw installs plugins by npm. Gives the environment in which npm finds the way; what it loads is
 * kept for the next time. Ends with the test.
 */
export async function npmRegistry(place: string, pid: number): Promise<Readonly<Record<string, string>>> {
  const socket = join(place, "registry.sock");
  const proxy = createServer((_request, response) => response.writeHead(405).end());
  proxy.on("connect", ({ url }, near) => {
    if (url !== `${REGISTRY}:443`) return void near.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
    const far = connect(443, REGISTRY, () => {
      near.write("HTTP/1.1 200 OK\r\n\r\n");
      far.pipe(near).pipe(far);
    });
    near.on("error", () => far.destroy());
    far.on("error", () => near.destroy());
  });
  proxy.listen(socket);
  await once(proxy, "listening");
  onTestFinished(() => {
    proxy.close();
    proxy.closeAllConnections();
  });
  const port = await wayOut(pid, socket);
  // What this machine's own npm needs to believe the registry.
  const cafile = (await run("npm", ["config", "get", "cafile"])).stdout.trim();
  return {
    npm_config_https_proxy: `http://127.0.0.1:${port}`,
    npm_config_cache: join(CACHE, "npm"),
    npm_config_prefer_offline: "true",
    ...(cafile !== "null" && { npm_config_cafile: cafile }),
  };
}
