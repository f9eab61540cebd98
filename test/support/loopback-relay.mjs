// Runs inside a network namespace that has nothing but loopback and is its only way out: whatever
// connects to the port that it prints talks to the unix socket `--out`, over TLS if `--pem` names a file with
// a key and a certificate. And in: whatever connects to the unix socket `--in` talks to the port `--port`.
// Ends with its input.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { parseArgs } from "node:util";

const text = { type: "string" };
const { values } = parseArgs({ options: { out: text, pem: text, in: text, port: text } });
const up = spawnSync("ip", ["link", "set", "lo", "up"], { stdio: "inherit" });
if (up.status !== 0) process.exit(1);

const both = values.pem === undefined ? undefined : readFileSync(values.pem);
const out = relayTo({ path: values.out });
const server = both === undefined ? createServer(out) : createTlsServer({ key: both, cert: both }, out);
server.listen(0, "127.0.0.1", () => console.log(`port ${server.address().port}`));
if (values.in !== undefined) {
  createServer(relayTo({ host: "127.0.0.1", port: Number(values.port) })).listen(values.in);
}
process.stdin.on("end", () => process.exit()).resume();

function relayTo(target) {
  return (near) => {
    const far = connect(target);
    near.pipe(far).pipe(near);
    near.on("error", () => far.destroy());
    far.on("error", () => near.destroy());
  };
}
