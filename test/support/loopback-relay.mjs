// Runs inside a network namespace that has nothing but loopback and is its only way out: whatever
// connects to the port that it prints talks to the unix socket named by its first argument. And in: whatever
// connects to the unix socket of the second talks to the port of the third. Ends with its input.
import { spawnSync } from "node:child_process";
import { connect, createServer } from "node:net";

const [outside = "", inside, port] = process.argv.slice(2);
const up = spawnSync("ip", ["link", "set", "lo", "up"], { stdio: "inherit" });
if (up.status !== 0) process.exit(1);

const server = relay({ path: outside });
server.listen(0, "127.0.0.1", () => console.log(`port ${server.address().port}`));
if (inside !== undefined) relay({ host: "127.0.0.1", port: Number(port) }).listen(inside);
process.stdin.on("end", () => process.exit()).resume();

function relay(target) {
  return createServer((near) => {
    const far = connect(target);
    near.pipe(far).pipe(near);
    near.on("error", () => far.destroy());
    far.on("error", () => near.destroy());
  });
}
