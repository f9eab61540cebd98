// What a live credential costs to read, against asking for it; and how long a cooldown takes from the report
// to the last of 1, 100 and 1,000 watchers, against a bare grpc-js server that writes the same message to as
// many streams. Report and watchers are in one process, so one clock times both; the two servers take turns.
import { join } from "node:path";
import { connect } from "../dist/client/index.js";
import {
  bareClient,
  call,
  client,
  cpuMs,
  median,
  quantile,
  show,
  startBare,
  startBroker,
  stop,
  temporaryHome,
} from "./world.mjs";

const CODEX = "openai-codex";
const READS = 2_000_000;
const ROUNDS = Number(process.argv[2] ?? 30);

const home = temporaryHome();
const broker = await startBroker(home);
const admin = client(home, "profile", "admin");
for (const label of ["a", "b"]) {
  const expireTime = { seconds: Math.floor(Date.now() / 1_000) + 36_000, nanos: 0 };
  const oauth = {
    expireTime,
    accessToken: `at-FAKE-${label}-${"x".repeat(1_500)}`,
    accountId: `acct-${label}`,
  };
  await call(admin, "PutProfile", { profile: `${CODEX}:${label}`, oauth });
}
const agent = client(home, "credential");
const answer = await call(agent, "AcquireCredential", { provider: CODEX });
const { socket, bare } = await startBare(home, answer);
const rows = [await reading()];
const crowds = process.argv[3] ? [Number(process.argv[3])] : [1, 100, 1_000];
for (const watchers of crowds) rows.push(await spreading(watchers));
show("live", rows);
await Promise.all([stop(broker), stop(bare)]);
process.exit(0);

async function reading() {
  const library = await connect({ address: join(home, "run", "agent.sock") });
  const live = await library.live(CODEX);
  const ns = [];
  const rpcNs = [];
  for (let round = -1; round < 5; round += 1) {
    let began = performance.now();
    for (let i = 0; i < READS; i += 1) live.current();
    const once = ((performance.now() - began) / READS) * 1e6;
    const calls = [];
    for (let i = 0; i < 300; i += 1) {
      began = performance.now();
      await library.acquire({ provider: CODEX });
      calls.push((performance.now() - began) * 1e6);
    }
    if (round < 0) continue;
    ns.push(once);
    rpcNs.push(median(calls));
  }
  await library.close();
  const ratio = median(ns.map((one, i) => rpcNs[i] / one));
  return {
    what: "current()",
    ns: Math.round(median(ns)),
    "acquire ns": Math.round(median(rpcNs)),
    ratio: Math.round(ratio),
  };
}

async function spreading(watchers) {
  const own = await crowd(agent, watchers);
  const floorClient = bareClient(socket);
  const floor = await crowd(floorClient, watchers);
  const ownMs = [];
  const bareMs = [];
  const cpu = { own: 0, bare: 0 };
  const spent = async (what, server, work) => {
    const before = cpuMs(server);
    const ms = await work();
    cpu[what] += cpuMs(server) - before;
    return ms;
  };
  for (let round = -3; round < ROUNDS; round += 1) {
    if (round === 0) Object.assign(cpu, { own: 0, bare: 0 });
    // Two changes for everybody on either side: away and back.
    const a = await spent("own", broker, async () => {
      const { lease } = await call(agent, "AcquireCredential", { provider: CODEX });
      const ms = await own.timed({ leaseId: lease.leaseId, outcome: "OUTCOME_USAGE_LIMIT" });
      const back = own.everybody();
      await call(admin, "ClearCooldown", { profile: lease.profile });
      await back;
      return ms;
    });
    const b = await spent("bare", bare, async () => {
      await floor.timed({});
      return await floor.timed({});
    });
    if (round < 0) continue;
    ownMs.push(a);
    bareMs.push(b);
  }
  own.end();
  floor.end();
  floorClient.close();
  const ms = (values, q) => Number(quantile(values, q).toFixed(2));
  return {
    what: `change to the last of ${watchers}`,
    "p50 ms": ms(ownMs, 0.5),
    "p99 ms": ms(ownMs, 0.99),
    "bare p50 ms": ms(bareMs, 0.5),
    "bare p99 ms": ms(bareMs, 0.99),
    "CPU ratio": Number((cpu.own / cpu.bare).toFixed(2)),
    "ratio p50": Number(median(ownMs.map((one, i) => one / bareMs[i])).toFixed(2)),
    "ratio p99": Number((quantile(ownMs, 0.99) / quantile(bareMs, 0.99)).toFixed(2)),
  };
}

/** Opens watches and waits until each has its first message. */
async function crowd(one, watchers) {
  let left = watchers;
  let all = () => {};
  const heard = () => {
    left -= 1;
    if (left === 0) all();
  };
  const everybody = () => {
    left = watchers;
    return new Promise((resolve) => {
      all = resolve;
    });
  };
  const first = everybody();
  const calls = Array.from({ length: watchers }, () => one.WatchCredential({ provider: CODEX }));
  for (const stream of calls) stream.on("data", heard).on("error", () => {});
  await first;
  return {
    everybody,
    async timed(report) {
      const told = everybody();
      const began = performance.now();
      const reported = call(one, "ReportOutcome", report);
      await told;
      const ms = performance.now() - began;
      await reported;
      return ms;
    },
    end() {
      for (const stream of calls) stream.cancel();
    },
  };
}
