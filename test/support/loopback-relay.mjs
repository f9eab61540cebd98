// Runs inside a network namespace that has nothing but loopback and is its only way out: whatever
// connects to the port that it prints talks to the unix socket named by its argument, over TLS if a file
// with a key and a certificate follows. Ends with its input.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { createServer as createTlsServer } from "node:tls";

const up = spawnSync("ip", ["link", "set", "lo", "up"], { stdio: "inherit" });
if (up.status !== 0) process.exit(1);

const [, , socket = "", pem] = process.argv;
const relay = (inside) => {
  const outside = connect(socket);
  inside.pipe(outside).pipe(inside);
  inside.on("error", () => outside.destroy());
  outside.on("error", () => inside.destroy());
};
const both = pem === undefined ? undefined : readFileSync(pem);
const server = both === undefined ? createServer(relay) : createTlsServer({ key: both, cert: both }, relay);
server.listen(0, "127.0.0.1", () => console.log(`port ${server.address().port}`));
process.stdin.on("end", () => process.exit()).resume();
