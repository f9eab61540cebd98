import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ATTACKER = fileURLToPath(new URL("./flood-attacker.mjs", import.meta.url));

/** What is tried, and what it is. */
export const ATTACKS = {
  silent: "500 silent connections",
  half: "1,000 half-sent requests on 200 connections",
  requests: "200 requests at a time without end",
  deadlines: "500 requests at a time whose time is over at once, without end",
  resets: "requests that are reset at once",
  crowd: "1,000 connections of one peer",
  reconnects: "connections that are given up at once",
};

/**
 * Begins an attack in a process of its own; resolves when it is in place, with what ends it.
 * @param {keyof typeof ATTACKS} kind
 * @param {string} home
 * @returns {Promise<() => Promise<void>>}
 */
export async function attack(kind, home) {
  const child = spawn(process.execPath, [ATTACKER, kind, join(home, "run", "agent.sock")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const gone = new Promise((resolve) => child.once("exit", resolve));
  await new Promise((resolve, reject) => {
    child.stdout.once("data", resolve);
    child.once("exit", () => reject(new Error(`the attack "${kind}" ended by itself`)));
  });
  return async () => {
    child.kill("SIGKILL");
    await gone;
  };
}

/**
 * Asks one after the other, with a little rest, and gives the times in milliseconds, sorted.
 * @param {() => Promise<unknown>} ask
 * @param {number} count
 * @returns {Promise<number[]>}
 */
export async function times(ask, count) {
  const taken = [];
  for (let i = 0; i < count; i += 1) {
    const began = performance.now();
    await ask();
    taken.push(performance.now() - began);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return taken.sort((a, b) => a - b);
}

/**
 * @param {readonly number[]} sorted
 * @param {number} share
 * @returns {number}
 */
export function percentile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/**
 * What a process holds: open descriptors, and memory in MiB.
 * @param {number} pid
 * @returns {{ descriptors: number, mib: number }}
 */
export function held(pid) {
  const descriptors = readdirSync(`/proc/${pid}/fd`).length;
  const kib = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  return { descriptors, mib: kib / 1024 };
}
