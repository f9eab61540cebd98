// What the benchmarks share: a broker in a process of its own, profiles in it, and plain statistics.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { credentials } from "@grpc/grpc-js";
import { clientConstructor, SERVICES } from "../dist/rpc/schema.js";

process.setMaxListeners(0);
/** The built command line. */
export const MAIN = fileURLToPath(new URL("../bin/auth-broker.js", import.meta.url));

const BARE = fileURLToPath(new URL("./bare-server.mjs", import.meta.url));

/** A temporary directory that goes with the process, after the programs that write into it. */
export function temporaryHome() {
  const home = mkdtempSync(join(tmpdir(), "auth-broker-bench-"));
  process.once("exit", () => rmSync(home, { recursive: true, force: true, maxRetries: 5 }));
  return home;
}

/** Starts a program and resolves with it when it prints `ready` on a line of its own. */
export function startProgram(file, args, input) {
  const child = spawn(process.execPath, [file, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(input);
  process.prependOnceListener("exit", () => child.kill("SIGKILL"));
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`${file} ended with ${code}`)));
    child.stdout.on("data", (data) => {
      if (/^ready$/m.test(String(data))) resolve(child);
    });
  });
}

/** `auth-broker serve` on a home; resolves when its health says SERVING. */
export async function startBroker(home) {
  // Such as `--cpu-prof --cpu-prof-dir=DIR`, to see what the broker does meanwhile.
  const options = process.env.BENCH_BROKER_OPTIONS?.split(" ") ?? [];
  const child = spawn(process.execPath, [...options, MAIN, "serve"], {
    env: { ...process.env, AUTH_BROKER_HOME: home },
    stdio: ["ignore", "ignore", process.env.BENCH_LOG ? "inherit" : "ignore"],
  });
  process.prependOnceListener("exit", () => child.kill("SIGKILL"));
  await serving(home);
  return child;
}

export function client(home, service, endpoint = "agent") {
  const Client = clientConstructor(SERVICES[service]);
  return new Client(`unix:${join(home, "run", `${endpoint}.sock`)}`, credentials.createInsecure(), {
    "grpc.initial_reconnect_backoff_ms": 10,
    "grpc.max_reconnect_backoff_ms": 20,
    "grpc.min_reconnect_backoff_ms": 10,
  });
}

/** CPU time that a process has used so far, in milliseconds; Linux only, to 10 ms. */
export function cpuMs({ pid }) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Memory of a process in MiB; Linux only. */
export function rssMiB({ pid }) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

/** Ends a program in good order. */
export function stop(child) {
  return new Promise((resolve) => {
    child.once("exit", resolve);
    child.kill("SIGTERM");
  });
}

/** A bare server in a process of its own that sends one answer. */
export async function startBare(home, answer) {
  const socket = join(home, "bare.sock");
  return { socket, bare: await startProgram(BARE, [socket], JSON.stringify(answer)) };
}

export function bareClient(socket) {
  return new (clientConstructor(SERVICES.credential))(`unix:${socket}`, credentials.createInsecure());
}

export function call(client, method, request, timeoutMs = 60_000) {
  return new Promise((resolve, reject) => {
    client[method](request, { deadline: Date.now() + timeoutMs }, (error, answer) =>
      error ? reject(error) : resolve(answer),
    );
  });
}

async function serving(home) {
  const health = client(home, "health");
  try {
    for (;;) {
      const answer = await call(health, "Check", { service: "" }, 5_000).catch(() => undefined);
      if (answer?.status === "SERVING") return;
    }
  } finally {
    health.close();
  }
}

/** Puts `count` API-key profiles over `providers` providers, which the config of the home must name. */
export async function putKeys(home, count, providers) {
  const admin = client(home, "profile", "admin");
  const puts = [];
  for (let i = 0; i < count; i += 1) {
    const profile = `bench-${i % providers}:p${String(i).padStart(5, "0")}`;
    puts.push(call(admin, "PutProfile", { profile, apiKey: { key: `sk-FAKE-${i}` } }));
  }
  await Promise.all(puts);
  admin.close();
}

export function keyConfig(providers) {
  const entries = Array.from({ length: providers }, (_, i) => [`bench-${i}`, { type: "api-key" }]);
  return JSON.stringify({ providers: Object.fromEntries(entries) });
}

export function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
}

export const median = (values) => quantile(values, 0.5);

/** A table for people and one JSON line for scripts. */
export function show(name, rows) {
  console.table(rows);
  console.log(JSON.stringify({ bench: name, node: process.version, rows }));
}
