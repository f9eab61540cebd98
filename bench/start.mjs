// From process start to SERVING, with 10 and 1,000 profiles, against a bare server that imports the
// same packages and reads the same files; in turn, in one run. And the memory of the broker then.
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { call, client, keyConfig, median, putKeys, show, startBroker, temporaryHome } from "./world.mjs";

const ROUNDS = 9;
const MAIN = fileURLToPath(new URL("../bin/auth-broker.js", import.meta.url));
const BARE = fileURLToPath(new URL("./bare-start.mjs", import.meta.url));

async function startMs(args, home) {
  const socket = join(home, "run", "agent.sock");
  rmSync(socket, { force: true });
  const began = performance.now();
  const child = spawn(process.execPath, args, {
    env: { ...process.env, AUTH_BROKER_HOME: home },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const health = client(home, "health");
  for (;;) {
    const answer = await call(health, "Check", { service: "" }, 1_000).catch(() => undefined);
    if (answer?.status === "SERVING") break;
  }
  const ms = performance.now() - began;
  health.close();
  // What is loaded behind the readiness counts too.
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const rssMiB = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]) / 1024;
  await new Promise((resolve) => {
    child.once("exit", resolve);
    child.kill("SIGKILL");
  });
  return { ms, rssMiB };
}

const rows = [];
for (const profiles of [10, 1_000]) {
  const home = temporaryHome();
  writeFileSync(join(home, "config.json"), keyConfig(10));
  const broker = await startBroker(home);
  await putKeys(home, profiles, 10);
  await new Promise((resolve) => {
    broker.once("exit", resolve);
    broker.kill("SIGTERM");
  });
  mkdirSync(join(home, "run"), { recursive: true });
  const own = [];
  const bare = [];
  for (let round = -1; round < ROUNDS; round += 1) {
    const a = await startMs([MAIN, "serve"], home);
    const b = await startMs([BARE, home], home);
    if (round < 0) continue;
    own.push(a);
    bare.push(b);
  }
  rows.push({
    profiles,
    "broker ms": Math.round(median(own.map((x) => x.ms))),
    "bare ms": Math.round(median(bare.map((x) => x.ms))),
    ratio: Number(median(own.map((x, i) => x.ms / bare[i].ms)).toFixed(2)),
    "broker MiB": Math.round(median(own.map((x) => x.rssMiB))),
    "bare MiB": Math.round(median(bare.map((x) => x.rssMiB))),
  });
}
show("start", rows);
process.exit(0);
