import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type Broker, BrokerError, type Clock, connect, type Live } from "../../src/client/index.ts";
import { HOUR, MINUTE, SECOND, type World, world } from "../support/broker-world.ts";
import { MAIN } from "../support/cli.ts";
import { errorOf } from "../support/fake-connection.ts";
import { run } from "../support/process.mjs";

const CODEX = "openai-codex";
const A = `${CODEX}:a`;
const B = `${CODEX}:b`;

interface Scene {
  readonly daemon: World;
  readonly broker: Broker;
}

/** A real broker with two logins and a real client; both read the clock that the test moves. */
async function scene(
  logins: Readonly<Record<string, number>> = { a: 10 * HOUR, b: 10 * HOUR },
): Promise<Scene> {
  const daemon = await world();
  onTestFinished(() => daemon[Symbol.asyncDispose]());
  for (const [label, livesMs] of Object.entries(logins))
    await daemon.put(`${CODEX}:${label}`, { expireTime: daemon.inTime(livesMs) });
  const clock: Clock = {
    now: () => daemon.clock.now(),
    sleep: async (_ms, signal) => {
      await new Promise((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
    },
  };
  const broker = await connect({ address: join(daemon.home, "run", "agent.sock"), clock });
  onTestFinished(() => broker.close());
  return { daemon, broker };
}

/** What a handle says now: its profile and generation, or why it has none. */
function shown(live: Live): string {
  try {
    const { profile, generation } = live.current().lease;
    return `${profile} ${generation}`;
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    return error.reason || error.code;
  }
}

test("a cooldown that another process reports reaches the handle by push", async () => {
  const { daemon, broker } = await scene();
  const live = await broker.live(CODEX, { model: "m" });
  expect(shown(live)).toBe(`${A} 1`);
  const env = { PATH: process.env.PATH, AUTH_BROKER_HOME: daemon.home };
  const other = (...args: string[]) => run(process.execPath, [MAIN, ...args], { env });
  const { stdout } = await other("acquire", CODEX, "--json");
  const { leaseId } = JSON.parse(stdout).lease;
  expect(await other("report", leaseId, "USAGE_LIMIT")).toMatchObject({ code: 0 });
  await expect.poll(() => shown(live)).toBe(`${B} 1`);
});

test("a rotation reaches the handle by push, and the old token is not given again", async () => {
  const { daemon, broker } = await scene();
  const live = await broker.live(CODEX);
  expect(live.current().credential.oauth?.accessToken).toBe("at-FAKE-a");
  await daemon.advance(2 * MINUTE);
  await daemon.refresh(A);
  await expect.poll(() => shown(live)).toBe(`${A} 2`);
  expect(live.current().credential.oauth?.accessToken).toBe("at-FAKE-new-1");
});

test("a ban takes the account away and holds its siblings", async () => {
  const { daemon, broker } = await scene();
  const live = await broker.live(CODEX);
  const body = { error: { message: "Your account has been suspended.", code: "account_suspended" } };
  const { lease } = live.current();
  await daemon.reportRaw(lease.leaseId, { httpStatus: 403, body });
  await expect.poll(() => shown(live)).toBe("PROFILE_BLOCKED");
  await daemon.acknowledge(CODEX);
  await expect.poll(() => shown(live)).toBe(`${B} 1`);
});

test("a restart of the broker: the last credential serves meanwhile, and the state says so", async () => {
  const { daemon, broker } = await scene();
  const live = await broker.live(CODEX);
  await daemon.drain();
  await expect.poll(() => live.state).toBe("disconnected");
  expect(shown(live)).toBe(`${A} 1`);
  await daemon.start();
  await expect.poll(() => live.state).toBe("connected");
  await daemon.fails(CODEX, "USAGE_LIMIT");
  await expect.poll(() => shown(live)).toBe(`${B} 1`);
});

test.each([
  ["time passes", (daemon: World) => daemon.clock.advance(2 * HOUR)],
  ["the wall clock jumps ahead", async (daemon: World) => daemon.clock.stepWall(2 * HOUR)],
  [
    "the wall clock is set back while time passes",
    async (daemon: World) => {
      daemon.clock.stepWall(-5 * HOUR);
      await daemon.clock.advance(2 * HOUR);
    },
  ],
])("without a broker a token ends when %s", async (_how, pass) => {
  const { daemon, broker } = await scene({ a: HOUR });
  const live = await broker.live(CODEX);
  await daemon.drain();
  await expect.poll(() => live.state).toBe("disconnected");
  expect(shown(live)).toBe(`${A} 1`);
  await pass(daemon);
  expect(shown(live)).toBe("UNAVAILABLE");
});

test("before its token ends the handle holds the next one", async () => {
  const { daemon, broker } = await scene({ a: HOUR });
  const live = await broker.live(CODEX);
  await daemon.advance(59 * MINUTE + 30 * SECOND);
  await expect.poll(() => shown(live)).toBe(`${A} 2`);
});

test("no broker at first: the handle waits for it without a word", async () => {
  const { daemon, broker } = await scene();
  await daemon.drain();
  const live = broker.live(CODEX);
  expect(live.state).toBe("connecting");
  expect(shown(live)).toBe("UNAVAILABLE");
  await daemon.start();
  await live;
  expect(live.state).toBe("connected");
  expect(shown(live)).toBe(`${A} 1`);
});

test("next reports and goes on with the next account in one round trip; current follows at once", async () => {
  const { daemon, broker } = await scene();
  const live = await broker.live(CODEX);
  live.current();
  const { lease, credential, advice } = await live.next("USAGE_LIMIT");
  expect(lease.profile).toBe(B);
  expect(credential.oauth?.accessToken).toBe("at-FAKE-b");
  expect(advice).toEqual({ action: "ADVICE_ACTION_RETRY_NEXT", delay: 0 });
  expect(shown(live)).toBe(`${B} 1`);
  expect((await daemon.get(A)).state).toBe("PROFILE_STATE_COOLING_DOWN");

  const retryTime = new Date(daemon.nowMs + HOUR);
  const error = await errorOf(live.next({ outcome: "USAGE_LIMIT", retryTime }));
  expect(error).toMatchObject({ reason: "ALL_COOLING_DOWN" });
  expect(shown(live)).toBe("ALL_COOLING_DOWN");
  await daemon.advance(2 * HOUR);
  await expect.poll(() => shown(live)).not.toBe("ALL_COOLING_DOWN");
});

test("a refused token: next gives what the refresh brought, and current no longer the old one", async () => {
  const { daemon, broker } = await scene({ a: 10 * HOUR });
  const live = await broker.live(CODEX);
  await daemon.advance(2 * MINUTE);
  const { lease } = await live.next("AUTH_INVALID_TOKEN");
  expect(lease).toMatchObject({ profile: A, generation: 2 });
  await expect.poll(() => shown(live)).toBe(`${A} 2`);
  expect(daemon.token.requests).toHaveLength(1);
});

test("requests that fail together name their leases, so that nobody blames the next account", async () => {
  const { daemon, broker } = await scene();
  const live = await broker.live(CODEX);
  const leases = [1, 2, 3].map(() => live.current().lease);
  for (const lease of leases) {
    const following = await live.next({ outcome: "USAGE_LIMIT", lease });
    expect(following.lease.profile).toBe(B);
  }
  expect((await daemon.get(B)).state).toBe("PROFILE_STATE_READY");
});

test("a failure that is no fault of the account leaves current where it is", async () => {
  const { broker } = await scene();
  const live = await broker.live(CODEX);
  await live.next("UNRECOGNIZED");
  expect(shown(live)).toBe(`${A} 1`);
});

test("closing gives a trial back, and the next may try", async () => {
  const { daemon, broker } = await scene({ a: 10 * HOUR });
  await daemon.fails(CODEX, "USAGE_LIMIT");
  await daemon.advance(20 * MINUTE);
  const live = await broker.live(CODEX);
  expect(live.current().lease.trial).toBe(true);
  const second = daemon.agent.watch({ provider: CODEX });
  expect((await second.next()).unavailable?.profiles[0]?.reason).toBe("TRIAL_IN_PROGRESS");
  await live[Symbol.asyncDispose]();
  expect((await second.next()).granted?.lease.profile).toBe(A);
  second.cancel();
});

test("use takes the credential of an open handle, and goes on from there", async () => {
  const { broker } = await scene();
  await using live = await broker.live(CODEX, { model: "m" });
  const seen: string[] = [];
  await broker.use(CODEX, { model: "m" }, (_credential, { lease }) => {
    seen.push(lease.profile, String(lease.leaseId === live.current().lease.leaseId));
    return seen.length > 2 ? "done" : new Response("", { status: 429 });
  });
  expect(seen).toEqual([A, "true", B, "false"]);
  await expect.poll(() => shown(live)).toBe(`${B} 1`);
});
