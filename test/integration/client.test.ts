import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { connect, type WatchState } from "../../src/client/index.ts";
import { ownDirectory } from "../support/endpoint-fixture.ts";
import { type Answer, granted, unavailable } from "../support/fake-broker.ts";
import { clientOf, errorOf, fakeBroker } from "../support/fake-connection.ts";

test("acquire sends the camelCase twin and gives lease and credential with dates", async () => {
  const broker = await fakeBroker();
  broker.acquire = () => granted("p:a", 3, 600_000);
  const agent = await clientOf(broker.path);
  const before = Date.now();
  const { lease, credential } = await agent.acquire({
    provider: "p",
    model: "m",
    sessionId: "s",
    kinds: ["OAUTH", "PROFILE_KIND_TOKEN"],
    minValidFor: 90_000,
    maxWait: "1.5s",
    excludeProfiles: ["p:z"],
  });
  expect(broker.asked.AcquireCredential).toEqual([
    expect.objectContaining({
      provider: "p",
      model: "m",
      sessionId: "s",
      kinds: ["PROFILE_KIND_OAUTH", "PROFILE_KIND_TOKEN"],
      minValidFor: { seconds: 90, nanos: 0 },
      maxWait: { seconds: 1, nanos: 500_000_000 },
      excludeProfiles: ["p:z"],
    }),
  ]);
  expect(lease).toMatchObject({ profile: "p:a", generation: 3, trial: false });
  expect(lease.issueTime).toBeInstanceOf(Date);
  expect(credential.oauth?.expireTime?.getTime()).toBeGreaterThanOrEqual(before + 599_000);
  expect(credential.apiKey).toBeUndefined();
  expect(credential.headers).toEqual({ authorization: "Bearer at-FAKE-p:a-3" });
});

test("an acquire without a timeout has 35 s more than it may wait for a profile", async () => {
  const broker = await fakeBroker();
  const left: number[] = [];
  broker.acquire = (_request, deadline) => {
    left.push(Math.round((deadline - Date.now()) / 1_000));
    return granted("p:a");
  };
  const agent = await clientOf(broker.path);
  await agent.acquire({ provider: "p" });
  await agent.acquire({ provider: "p", maxWait: "10s" });
  await agent.acquire({ provider: "p", maxWait: "10s" }, { timeoutMs: 7_000 });
  expect(left).toEqual([35, 45, 7]);
});

test("a failure is a BrokerError with code, reason, retry time, help and profiles", async () => {
  const broker = await fakeBroker();
  const retryAtMs = Math.floor(Date.now() / 1_000) * 1_000 + 90_000;
  broker.acquire = () => ({
    failure: {
      kind: "unavailable",
      unavailability: {
        reason: "ALL_COOLING_DOWN",
        message: "all are cooling down",
        retryAtMs,
        help: "auth-broker status",
        profiles: [{ profile: "p:a", reason: "COOLING_DOWN", untilMs: retryAtMs }],
      },
    },
  });
  const agent = await clientOf(broker.path);
  expect(await errorOf(agent.acquire({ provider: "p" }))).toMatchObject({
    name: "BrokerError",
    code: "RESOURCE_EXHAUSTED",
    reason: "ALL_COOLING_DOWN",
    message: "all are cooling down",
    retryTime: new Date(retryAtMs),
    help: "auth-broker status",
    profiles: [{ profile: "p:a", reason: "COOLING_DOWN", untilTime: new Date(retryAtMs) }],
  });
});

test("a request that cannot be sent is refused here, naming the fields and not their values", async () => {
  const broker = await fakeBroker();
  const agent = await clientOf(broker.path);
  const options = { provider: "p", minValidFor: "sk-ant-FAKE", kinds: ["sk-ant-FAKE"] } as never;
  const error = await errorOf(agent.acquire(options));
  expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "FIELD_INVALID", profiles: [] });
  expect(error.message).toContain("min_valid_for");
  expect(error.message).not.toContain("sk-ant");
  expect(broker.asked.AcquireCredential).toBeUndefined();
});

test("report takes a lease or its id, names without prefix, bodies as text, and gives next", async () => {
  const broker = await fakeBroker();
  broker.report = () => ({
    applied: true,
    outcome: "OUTCOME_USAGE_LIMIT",
    scope: "SCOPE_PROFILE",
    advice: { action: "ADVICE_ACTION_RETRY_NEXT", delay: { seconds: 2, nanos: 0 } },
    profileState: "PROFILE_STATE_COOLING_DOWN",
    next: { granted: granted("p:b") },
  });
  const agent = await clientOf(broker.path);
  const { lease } = await agent.acquire({ provider: "p" });
  const headers = new Headers({ "Retry-After": "30", "set-cookie": "secret=1" });
  const answer = await agent.report({
    lease,
    providerResponse: { httpStatus: 429, headers, body: "x".repeat(300_000) },
    acquireNext: true,
  });
  expect(answer).toMatchObject({
    applied: true,
    outcome: "OUTCOME_USAGE_LIMIT",
    advice: { action: "ADVICE_ACTION_RETRY_NEXT", delay: 2_000 },
    next: { granted: { lease: { profile: "p:b" } } },
  });
  const [request] = broker.asked.ReportOutcome ?? [];
  const sent = request?.providerResponse as { headers: object; body: Uint8Array };
  expect(request).toMatchObject({ leaseId: lease.leaseId, acquireNext: true });
  expect(sent.headers).toEqual({ "retry-after": "30" });
  expect(sent.body.length).toBe(65_536);

  broker.report = () => ({ next: { unavailable: unavailable("LOGIN_REQUIRED") } });
  const retryTime = new Date(1_900_000_000_000);
  const second = await agent.report({ leaseId: "l", outcome: "RATE_LIMIT", retryTime });
  expect(second.next?.unavailable).toMatchObject({ reason: "LOGIN_REQUIRED", help: "" });
  expect(broker.asked.ReportOutcome?.[1]).toMatchObject({
    leaseId: "l",
    outcome: "OUTCOME_RATE_LIMIT",
    retryTime: { seconds: 1_900_000_000, nanos: 0 },
  });
});

test("release takes a lease or its id", async () => {
  const broker = await fakeBroker();
  const agent = await clientOf(broker.path);
  const { lease } = await agent.acquire({ provider: "p" });
  await agent.release(lease);
  await agent.release("other");
  expect(broker.asked.ReleaseLease).toEqual([{ leaseId: lease.leaseId }, { leaseId: "other" }]);
});

test("a signal ends the waiting with its own reason, also when it was aborted before", async () => {
  const broker = await fakeBroker();
  const agent = await clientOf(broker.path);
  const stop = new AbortController();
  broker.acquire = () => new Promise<never>(() => {});
  const waiting = agent.acquire({ provider: "p" }, { signal: stop.signal });
  await expect.poll(() => broker.asked.AcquireCredential).toHaveLength(1);
  stop.abort(new Error("changed my mind"));
  await expect(waiting).rejects.toThrow("changed my mind");
  await expect(agent.acquire({ provider: "p" }, { signal: stop.signal })).rejects.toThrow("changed my mind");
});

test("without a broker connect says at once how to start one, and names the socket", async () => {
  const path = join(ownDirectory(), "agent.sock");
  const error = await errorOf(connect({ address: path }));
  expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "", profiles: [] });
  expect(error.message).toContain(path);
  expect(error.message).toContain("auth-broker serve");
});

test("the address comes from AUTH_BROKER_SOCKET, else from AUTH_BROKER_HOME", async () => {
  const home = ownDirectory();
  const other = await fakeBroker();
  const from = (env: Record<string, string>) => errorOf(connect({ env: { AUTH_BROKER_HOME: home, ...env } }));
  expect((await from({})).message).toContain(join(home, "run", "agent.sock"));
  const env = { AUTH_BROKER_HOME: home, AUTH_BROKER_SOCKET: `unix://${other.path}` };
  const agent = await connect({ env });
  await agent.acquire({ provider: "p" });
  await agent.close();
  expect(other.asked.AcquireCredential).toHaveLength(1);
});

test("an endpoint that hangs up before it answers is not for us, and connect says so soon", async () => {
  const path = join(ownDirectory(), "agent.sock");
  const rude = createServer((socket) => socket.destroy()).listen(path);
  onTestFinished(() => void rude.close());
  await once(rude, "listening");
  const startedAt = performance.now();
  const error = await errorOf(connect({ address: path, timeoutMs: 30_000 }));
  expect(performance.now() - startedAt).toBeLessThan(5_000);
  expect(error).toMatchObject({ code: "PERMISSION_DENIED", reason: "CLIENT_FORBIDDEN" });
  expect(error.message).toContain(path);
});

test.runIf(process.geteuid?.() === 0)("a socket that this user may not use is named", async () => {
  const broker = await fakeBroker();
  process.seteuid?.(65534);
  const error = await errorOf(connect({ address: broker.path })).finally(() => process.seteuid?.(0));
  expect(error).toMatchObject({ code: "PERMISSION_DENIED", reason: "CLIENT_FORBIDDEN" });
  expect(error.message).toMatch(/^permission denied on \/\S+, owned by uid 0$/);
});

test("something that listens and never answers is given up after the time for it", async () => {
  const path = join(ownDirectory(), "agent.sock");
  const mute = createServer().listen(path);
  onTestFinished(() => void mute.close());
  await once(mute, "listening");
  const error = await errorOf(connect({ address: path, timeoutMs: 100 }));
  expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "" });
  expect(error.message).toContain("does not answer");
});

test("a call made while the broker is away succeeds as soon as it is back", async () => {
  const broker = await fakeBroker();
  const agent = await clientOf(broker.path);
  await agent.acquire({ provider: "p" });
  broker.stop();
  const waiting = agent.acquire({ provider: "p" });
  // The first attempt must have failed, or there would be nothing to come back from.
  await errorOf(agent.acquire({ provider: "p" }, { timeoutMs: 60 }));
  await broker.start();
  const startedAt = performance.now();
  expect((await waiting).lease.profile).toBe("p:a");
  // The default of grpc-js waits a whole second between its first two attempts.
  expect(performance.now() - startedAt).toBeLessThan(700);
});

test("a call that was under way when the broker broke off is asked again", async () => {
  const broker = await fakeBroker();
  const agent = await clientOf(broker.path);
  broker.acquire = () => new Promise<never>(() => {});
  const waiting = agent.acquire({ provider: "p" });
  await expect.poll(() => broker.asked.AcquireCredential).toHaveLength(1);
  broker.stop();
  broker.acquire = () => granted("p:b");
  await broker.start();
  expect((await waiting).lease.profile).toBe("p:b");
});

test("a broker that is starting or stopping is asked again; one that says no is not", async () => {
  const broker = await fakeBroker();
  const agent = await clientOf(broker.path);
  const answers: Answer[] = [
    { failure: { kind: "draining" } },
    { failure: { kind: "starting" } },
    granted("p:a"),
    { failure: { kind: "client_forbidden" } },
  ];
  broker.acquire = () => answers.shift() ?? {};
  expect((await agent.acquire({ provider: "p" })).lease.profile).toBe("p:a");
  expect(broker.asked.AcquireCredential).toHaveLength(3);
  expect(await errorOf(agent.acquire({ provider: "p" }))).toMatchObject({ reason: "CLIENT_FORBIDDEN" });
  expect(broker.asked.AcquireCredential).toHaveLength(4);
});

test("a call without a broker waits quietly, ends with its own deadline and says how to start one", async () => {
  const broker = await fakeBroker();
  const pauses: number[] = [];
  const sleep = async (ms: number) => void pauses.push(ms);
  const now = () => ({ wallMs: 0, monoMs: 0 });
  const agent = await clientOf(broker.path, { clock: { now, sleep } });
  broker.stop();
  const error = await errorOf(agent.acquire({ provider: "p" }, { timeoutMs: 150 }));
  // The connection is waited for, not asked about again and again.
  expect(pauses.length).toBeLessThan(3);
  expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "" });
  expect(error.message).toContain("auth-broker serve");
});

test("a broker that does not answer within the call's time is DEADLINE_EXCEEDED, not absent", async () => {
  const broker = await fakeBroker();
  broker.acquire = () => new Promise<never>(() => {});
  const agent = await clientOf(broker.path);
  const error = await errorOf(agent.acquire({ provider: "p" }, { timeoutMs: 50 }));
  expect(error).toMatchObject({ code: "DEADLINE_EXCEEDED", reason: "" });
  expect(error.message).not.toContain("serve");
});

test("close ends what is under way, and await using does it", async () => {
  const broker = await fakeBroker();
  broker.acquire = () => new Promise<never>(() => {});
  let waiting: Promise<unknown>;
  let watching: Promise<IteratorResult<WatchState>>;
  const agent = await connect({ address: broker.path });
  {
    await using same = agent;
    waiting = same.acquire({ provider: "p" });
    watching = same.watch({ provider: "p" })[Symbol.asyncIterator]().next();
    await expect.poll(() => broker.watches.size).toBe(1);
    waiting.catch(() => {});
  }
  expect(await errorOf(waiting)).toMatchObject({ code: "CANCELLED", reason: "" });
  expect(await watching).toEqual({ done: true, value: undefined });
  expect(await errorOf(agent.acquire({ provider: "p" }))).toMatchObject({ code: "CANCELLED" });
  await expect.poll(() => broker.watches.size).toBe(0);
});

test("a provider's name in place of an acquire's fields is refused with what is expected", async () => {
  const agent = await clientOf((await fakeBroker()).path);
  const wrong = "openai-codex" as unknown as Parameters<typeof agent.acquire>[0];
  expect(await errorOf(agent.acquire(wrong))).toMatchObject({
    reason: "FIELD_INVALID",
    message: 'options: an object is expected, such as { provider: "openai-codex" }',
  });
});
