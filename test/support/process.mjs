import { spawn } from "node:child_process";
import { once } from "node:events";

/** @typedef {import("./process.mjs").ProcessOptions} ProcessOptions */
/** @typedef {import("./process.mjs").Running} Running */

const alive = new Set();
process.on("exit", () => {
  for (const child of alive) child.kill("SIGKILL");
});

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {ProcessOptions} [options]
 * @returns {Promise<Running>}
 */
export async function start(command, args, options = {}) {
  const child = spawn(command, args, {
    env: options.env ?? process.env,
    cwd: options.cwd,
    stdio: ["pipe", "pipe", "pipe"],
  });
  await once(child, "spawn");
  alive.add(child);
  // A child that ends before it has read everything is no failure of the parent.
  child.stdin.on("error", () => {});
  if (options.input !== undefined) child.stdin.end(options.input);
  else if (!options.keepStdin) child.stdin.end();

  const output = capture(child);
  const exited = once(child, "close").then(([code, signal]) => {
    alive.delete(child);
    return { code, signal };
  });
  return {
    pid: child.pid,
    stdout: () => output.text.stdout,
    stderr: () => output.text.stderr,
    send: (line) => void child.stdin.write(`${line}\n`),
    type: (text) => void child.stdin.write(text),
    line: (pattern) => output.line(pattern, `${command} ${args.join(" ")}`),
    exited,
    hangUp() {
      for (const stream of child.stdio) stream.destroy();
    },
    kill(signal = "SIGTERM") {
      child.kill(signal);
      return exited;
    },
  };
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {ProcessOptions} [options]
 */
export async function run(command, args, options = {}) {
  const running = await start(command, args, options);
  const exit = await running.exited;
  return { ...exit, stdout: running.stdout(), stderr: running.stderr() };
}

/** Collects both streams and serves those who wait for a line. */
function capture(child) {
  const text = { stdout: "", stderr: "" };
  const waiters = new Set();
  let ended;

  const find = (pattern) => {
    for (const stream of [text.stdout, text.stderr]) {
      // The last piece is a line that is still being written.
      const lines = stream.split("\n").slice(0, ended === undefined ? -1 : undefined);
      for (const line of lines) {
        const match = line.match(pattern);
        if (match !== null) return match;
      }
    }
    return undefined;
  };
  const serve = () => {
    for (const waiter of waiters) {
      const match = find(waiter.pattern);
      if (match !== undefined) waiter.resolve(match);
      else if (ended !== undefined)
        waiter.reject(new Error(`${waiter.name} ended (${ended}) without ${waiter.pattern}\n${text.stderr}`));
      else continue;
      waiters.delete(waiter);
    }
  };
  for (const name of ["stdout", "stderr"]) {
    child[name].setEncoding("utf8");
    child[name].on("data", (chunk) => {
      text[name] += chunk;
      serve();
    });
  }
  child.on("close", (code, signal) => {
    ended = signal ?? code;
    serve();
  });
  return {
    text,
    line: (pattern, name) =>
      new Promise((resolve, reject) => {
        waiters.add({ pattern, name, resolve, reject });
        serve();
      }),
  };
}
