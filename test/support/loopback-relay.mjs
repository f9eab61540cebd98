// Runs inside a network namespace that has nothing but loopback and is its only way out: whatever
// connects to the port that it prints talks to the unix socket named by its argument. Ends with its input.
import { spawnSync } from "node:child_process";
import { connect, createServer } from "node:net";

const up = spawnSync("ip", ["link", "set", "lo", "up"], { stdio: "inherit" });
if (up.status !== 0) process.exit(1);

const server = createServer((inside) => {
  const outside = connect(process.argv[2] ?? "");
  inside.pipe(outside).pipe(inside);
  inside.on("error", () => outside.destroy());
  outside.on("error", () => inside.destroy());
});
server.listen(0, "127.0.0.1", () => console.log(`port ${server.address().port}`));
process.stdin.on("end", () => process.exit()).resume();
