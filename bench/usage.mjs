// What looking at usage costs: a whole broker with ten Codex logins for six simulated hours, in one run each with
// the poller on and off. The clock is simulated, the provider answers at once, sockets and files are real.

import { parseConfig } from "../dist/config.js";
import { startDaemon } from "../dist/daemon.js";
import { call, client, show, temporaryHome } from "./world.mjs";

const ACCOUNTS = 10;
const HOURS = 6;
const HOUR = 3_600_000;

/** Time that moves when told to; counts the timers that are set. */
function simulatedClock() {
  const timers = new Set();
  let nowMs = 0;
  const START = Date.UTC(2030, 0, 1);
  const clock = {
    armed: 0,
    now: () => ({ wallMs: START + nowMs, monoMs: nowMs }),
    timer(delayMs, fire) {
      clock.armed += 1;
      const timer = { dueMs: nowMs + delayMs, fire };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    async advance(ms) {
      const endMs = nowMs + ms;
      for (;;) {
        const [next] = [...timers].filter((t) => t.dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs);
        if (next === undefined) break;
        timers.delete(next);
        nowMs = Math.max(nowMs, next.dueMs);
        next.fire();
        await quiet();
      }
      nowMs = endMs;
    },
  };
  return clock;
}

/** Until promises have nothing to do and no file operation is in flight. */
async function quiet() {
  for (let turns = 0; turns < 3; ) {
    await new Promise((resolve) => setImmediate(resolve));
    turns = process.getActiveResourcesInfo().some((name) => /^(FSReq|CloseReq)/.test(name)) ? 0 : turns + 1;
  }
}

async function hours(usage, providers, { limited = false, followed = false }) {
  const home = temporaryHome();
  const clock = simulatedClock();
  let requests = 0;
  const fetch = async (url) => {
    if (!url.endsWith("/usage")) return new Response("{}", { status: 500 });
    requests += 1;
    const window = {
      used_percent: limited ? 100 : 40,
      limit_window_seconds: 18_000,
      reset_after_seconds: 9_000,
    };
    return Response.json({ rate_limit: { primary_window: window } });
  };
  const config = parseConfig(JSON.stringify({ usage, providers }), "config.json");
  const daemon = await startDaemon({ home, clock, fetch, config });
  const agent = client(home, "credential");
  const admin = client(home, "profile", "admin");
  const status = client(home, "status");
  const ids = Array.from({ length: ACCOUNTS }, (_, i) => `openai-codex:p${i}`);
  for (const profile of ids) {
    await call(admin, "PutProfile", {
      profile,
      oauth: { accessToken: `at-FAKE-${profile}`, accountId: profile },
    });
  }
  const until = (ms) => ({ seconds: Math.floor((clock.now().wallMs + ms) / 1_000), nanos: 0 });
  const watch = followed ? status.WatchUsage({}) : undefined;
  watch?.on("data", () => {}).on("error", () => {});
  requests = 0;
  clock.armed = 0;
  const cpu = process.cpuUsage();
  for (let hour = 0; hour < HOURS; hour += 1) {
    for (const profile of ids) {
      if (limited && hour > 0) continue;
      const { lease } = await call(agent, "AcquireCredential", { provider: "openai-codex", profile });
      const outcome = limited ? "OUTCOME_USAGE_LIMIT" : "OUTCOME_OK";
      const retry = limited ? { retryTime: until(7 * 24 * HOUR) } : {};
      await call(agent, "ReportOutcome", { leaseId: lease.leaseId, outcome, ...retry });
    }
    await clock.advance(HOUR);
  }
  const { user, system } = process.cpuUsage(cpu);
  watch?.cancel();
  for (const one of [agent, admin, status]) one.close();
  await daemon.stop();
  return { requests: requests / HOURS, armed: clock.armed / HOURS, cpuMs: (user + system) / 1_000 / HOURS };
}

const SCENES = [
  ["in use, nobody asks", {}, {}],
  ["in use, earliest_reset", { "openai-codex": { strategy: "earliest_reset" } }, {}],
  ["in use, somebody watches", {}, { followed: true }],
  ["all at a limit for a week", {}, { limited: true }],
];
const rows = [];
for (const [scene, providers, how] of SCENES) {
  const off = await hours({ poll: false }, providers, how);
  const on = await hours({ poll: true }, providers, how);
  rows.push({
    scene,
    "requests/h": Number(on.requests.toFixed(1)),
    "timers/h": Number(on.armed.toFixed(1)),
    "timers/h, poller off": Number(off.armed.toFixed(1)),
    "cpu ms/h": Number(on.cpuMs.toFixed(1)),
    "cpu ms/h, poller off": Number(off.cpuMs.toFixed(1)),
  });
}
show("usage", rows);
process.exit(0);
