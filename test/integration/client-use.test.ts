import { expect, test } from "vitest";
import type { Attempt, Broker, Clock, Credential } from "../../src/client/index.ts";
import type { Message } from "../../src/rpc/schema.ts";
import { type FakeBroker, granted, unavailable } from "../support/fake-broker.ts";
import { clientOf, errorOf, fakeBroker } from "../support/fake-connection.ts";

/** A broker that hands out `p:a` first and answers reports by the script, one after the other. */
async function scripted(
  ...script: Message[]
): Promise<{ fake: FakeBroker; broker: Broker; slept: number[] }> {
  const fake = await fakeBroker();
  fake.report = () => script.shift() ?? { applied: true, outcome: "OUTCOME_OK", scope: "SCOPE_NONE" };
  const slept: number[] = [];
  const clock: Clock = {
    now: () => ({ wallMs: Date.now(), monoMs: performance.now() }),
    sleep: async (ms, signal) => {
      slept.push(ms);
      signal?.throwIfAborted();
    },
  };
  return { fake, broker: await clientOf(fake.path, { clock }), slept };
}

/** The answer to a report of a failure. */
function advised(action: string, next: Message, more: Message & { delayMs?: number } = {}): Message {
  const { delayMs = 0, ...rest } = more;
  const delay = { seconds: Math.floor(delayMs / 1_000), nanos: (delayMs % 1_000) * 1e6 };
  return {
    applied: true,
    outcome: "OUTCOME_USAGE_LIMIT",
    advice: { action: `ADVICE_ACTION_${action}`, delay },
    next,
    ...rest,
  };
}
const other = (profile: string, generation = 1) => ({ granted: granted(profile, generation) });

/** A callback that answers with these, one after the other, and remembers who was asked. */
function answering(...answers: (Response | Error | string)[]) {
  const runs: { number: number; profile: string; token: string | undefined }[] = [];
  const callback = async (credential: Credential, { number, profile }: Attempt) => {
    runs.push({ number, profile, token: credential.headers.authorization });
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { runs, callback };
}

const tooMany = (body = "limit") => new Response(body, { status: 429, headers: { "retry-after": "30" } });
const reports = (fake: FakeBroker) => fake.asked.ReportOutcome ?? [];
const released = (fake: FakeBroker) => (fake.asked.ReleaseLease ?? []).map(({ leaseId }) => leaseId);

test("a good Response is reported with its headers and comes back untouched", async () => {
  const { fake, broker } = await scripted();
  const response = new Response("data", { headers: { "x-codex-primary-used-percent": "12" } });
  const { runs, callback } = answering(response);
  expect(await broker.use("p", { model: "m", sessionId: "s" }, callback)).toBe(response);
  expect(response.bodyUsed).toBe(false);
  expect(await response.text()).toBe("data");
  expect(runs).toEqual([{ number: 1, profile: "p:a", token: "Bearer at-FAKE-p:a-1" }]);
  expect(fake.asked.AcquireCredential).toEqual([
    expect.objectContaining({ provider: "p", model: "m", sessionId: "s" }),
  ]);
  const [report] = reports(fake);
  expect(report).toMatchObject({ leaseId: "lease-p:a-1", acquireNext: false, responseStarted: false });
  expect(report?.providerResponse).toMatchObject({
    httpStatus: 200,
    headers: { "x-codex-primary-used-percent": "12" },
    body: Buffer.alloc(0),
  });
});

test("any other value is an OK", async () => {
  const { fake, broker } = await scripted();
  expect(await broker.use("p", {}, async () => ({ status: "fine" }))).toEqual({ status: "fine" });
  expect(reports(fake)).toEqual([
    expect.objectContaining({ leaseId: "lease-p:a-1", outcome: "OUTCOME_OK", acquireNext: false }),
  ]);
});

test("a refusal goes to the broker with status, headers and body, and the next profile is tried", async () => {
  const { fake, broker } = await scripted(advised("RETRY_NEXT", other("p:b")));
  const refusal = tooMany();
  const good = new Response("data");
  const { runs, callback } = answering(refusal, good);
  expect(await broker.use("p", {}, callback)).toBe(good);
  expect(runs.map(({ number, profile }) => [number, profile])).toEqual([
    [1, "p:a"],
    [2, "p:b"],
  ]);
  expect(reports(fake)).toHaveLength(2);
  expect(reports(fake)[0]).toMatchObject({ leaseId: "lease-p:a-1", acquireNext: true });
  expect(reports(fake)[0]?.providerResponse).toMatchObject({
    httpStatus: 429,
    headers: expect.objectContaining({ "retry-after": "30" }),
    body: Buffer.from("limit"),
  });
  expect(reports(fake)[1]).toMatchObject({ leaseId: "lease-p:b-1" });
  // One round trip for the report and the next credential.
  expect(fake.asked.AcquireCredential).toHaveLength(1);
  expect(refusal.bodyUsed || (await refusal.text()) === "").toBe(true);
});

test("a refusal without a retry comes back as it is, its body still to be read", async () => {
  const { fake, broker } = await scripted(advised("GIVE_UP", { unavailable: unavailable("NO_PROFILE") }));
  const body = "x".repeat(200_000);
  const refusal = tooMany(body);
  const { runs, callback } = answering(refusal);
  expect(await broker.use("p", {}, callback)).toBe(refusal);
  expect(runs).toHaveLength(1);
  const sent = reports(fake)[0]?.providerResponse as { body: Uint8Array };
  expect(sent.body.length).toBe(65_536);
  expect(await refusal.text()).toBe(body);
});

test("a refusal whose body the callback has read is reported without it", async () => {
  const { fake, broker } = await scripted(advised("GIVE_UP", { unavailable: unavailable("NO_PROFILE") }));
  const refusal = tooMany();
  await refusal.text();
  expect(await broker.use("p", {}, () => refusal)).toBe(refusal);
  expect(reports(fake)[0]?.providerResponse).toMatchObject({ httpStatus: 429, body: Buffer.alloc(0) });
});

test("no profile is tried twice, and the lease that is not used is given back", async () => {
  const { fake, broker } = await scripted(
    advised("RETRY_NEXT", other("p:b")),
    advised("RETRY_SAME", other("p:a"), { outcome: "OUTCOME_OVERLOADED" }),
  );
  const last = tooMany();
  const { runs, callback } = answering(tooMany(), last);
  expect(await broker.use("p", {}, callback)).toBe(last);
  expect(runs.map(({ profile }) => profile)).toEqual(["p:a", "p:b"]);
  expect(released(fake)).toEqual(["lease-p:a-1"]);
});

test("a refused token is tried again once, with the generation that the refresh brought", async () => {
  const refused = { outcome: "OUTCOME_AUTH_INVALID_TOKEN" };
  const { fake, broker } = await scripted(
    advised("RETRY_SAME", other("p:a", 2), refused),
    advised("RETRY_SAME", other("p:a", 3), refused),
  );
  const last = new Response("", { status: 401 });
  const { runs, callback } = answering(new Response("", { status: 401 }), last);
  expect(await broker.use("p", {}, callback)).toBe(last);
  expect(runs.map(({ token }) => token)).toEqual(["Bearer at-FAKE-p:a-1", "Bearer at-FAKE-p:a-2"]);
  expect(released(fake)).toEqual(["lease-p:a-3"]);
});

test.each([
  ["the same generation", 1, "OUTCOME_AUTH_INVALID_TOKEN"],
  ["a failure that is not the token's", 2, "OUTCOME_OVERLOADED"],
])("a profile is not tried again after %s", async (_case, generation, outcome) => {
  const { broker } = await scripted(advised("RETRY_SAME", other("p:a", generation), { outcome }));
  const { runs, callback } = answering(tooMany(), "never");
  await broker.use("p", {}, callback);
  expect(runs).toHaveLength(1);
});

test("the advised delay is waited for, unless it is too long", async () => {
  const { fake, broker, slept } = await scripted(
    advised("RETRY_SAME", other("p:b"), { delayMs: 2_500 }),
    advised("RETRY_SAME", other("p:c"), { delayMs: 61_000 }),
  );
  const { runs, callback } = answering(tooMany(), tooMany());
  expect((await broker.use("p", {}, callback))?.toString()).toContain("Response");
  expect(runs.map(({ profile }) => profile)).toEqual(["p:a", "p:b"]);
  expect(slept).toEqual([2_500]);
  expect(released(fake)).toEqual(["lease-p:c-1"]);
});

const cooling = (delayMs: number) =>
  advised("WAIT", { unavailable: unavailable("ALL_COOLING_DOWN", delayMs) }, { delayMs });

test("without maxWait nothing is waited for: the refusal comes back", async () => {
  const { broker } = await scripted(cooling(5_000));
  const refusal = tooMany();
  expect(await broker.use("p", {}, () => refusal)).toBe(refusal);
});

test("a wait longer than maxWait is the BrokerError that says until when", async () => {
  const { fake, broker } = await scripted(cooling(5_000));
  const error = await errorOf(broker.use("p", { maxWait: "4s" }, () => tooMany()));
  expect(error).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "ALL_COOLING_DOWN" });
  expect(error.retryTime).toBeInstanceOf(Date);
  expect(fake.asked.AcquireCredential).toHaveLength(1);
});

test("a wait within maxWait is left to the broker, and all waits together stay within it", async () => {
  const { fake, broker } = await scripted(cooling(3_000), cooling(3_000));
  const { runs, callback } = answering(tooMany(), tooMany());
  await errorOf(broker.use("p", { maxWait: 5_000 }, callback));
  expect(runs).toHaveLength(2);
  expect(fake.asked.AcquireCredential?.map(({ maxWait }) => maxWait)).toEqual([
    { seconds: 5, nanos: 0 },
    { seconds: 5, nanos: 0 },
  ]);
});

test("after a wait every profile may be tried anew", async () => {
  const { broker } = await scripted(
    advised("RETRY_NEXT", other("p:b")),
    cooling(3_000),
    advised("RETRY_NEXT", other("p:b")),
  );
  const { runs, callback } = answering(tooMany(), tooMany(), tooMany(), "fine");
  expect(await broker.use("p", { maxWait: 5_000 }, callback)).toBe("fine");
  expect(runs.map(({ profile }) => profile)).toEqual(["p:a", "p:b", "p:a", "p:b"]);
});

test("a refusal is not tried again either after consumed", async () => {
  const { fake, broker } = await scripted(advised("RETRY_NEXT", other("p:b")));
  const refusal = tooMany();
  const running = broker.use("p", {}, (_credential, attempt) => {
    attempt.consumed();
    return refusal;
  });
  expect(await running).toBe(refusal);
  expect(reports(fake)).toEqual([expect.objectContaining({ responseStarted: true, acquireNext: false })]);
});

test("nothing is tried after consumed, and the broker learns that a response had started", async () => {
  const { fake, broker } = await scripted(advised("RETRY_NEXT", other("p:b")));
  const broken = Object.assign(new Error("broke off"), { code: "ECONNRESET" });
  const running = broker.use("p", {}, (_credential, attempt) => {
    attempt.consumed();
    throw broken;
  });
  await expect(running).rejects.toBe(broken);
  expect(reports(fake)).toEqual([
    expect.objectContaining({
      responseStarted: true,
      acquireNext: false,
      providerResponse: expect.objectContaining({ httpStatus: 0, transportError: "ECONNRESET" }),
    }),
  ]);
});

test("an error of the connection is reported, and the next profile is tried", async () => {
  const { fake, broker } = await scripted(advised("RETRY_NEXT", other("p:b")));
  const cause = Object.assign(new Error("x"), { code: "UND_ERR_SOCKET" });
  const { runs, callback } = answering(new TypeError("fetch failed", { cause }), "fine");
  expect(await broker.use("p", {}, callback)).toBe("fine");
  expect(runs).toHaveLength(2);
  expect(reports(fake)[0]?.providerResponse).toMatchObject({ transportError: "UND_ERR_SOCKET" });
});

test("an error of an SDK is reported, and the very same is thrown when nothing else follows", async () => {
  const { fake, broker } = await scripted(advised("LOGIN", { unavailable: unavailable("LOGIN_REQUIRED") }));
  const fields = { status: 403, headers: new Headers({ "x-id": "1" }), error: { error: { code: "banned" } } };
  const refused = Object.assign(new Error("403"), fields);
  await expect(broker.use("p", {}, answering(refused).callback)).rejects.toBe(refused);
  const sent = reports(fake)[0]?.providerResponse as { body: Uint8Array };
  expect(sent).toMatchObject({ httpStatus: 403, headers: { "x-id": "1" } });
  expect(JSON.parse(Buffer.from(sent.body).toString())).toEqual({ error: { code: "banned" } });
});

test("what attempt.fail was given goes to the broker, whatever the callback ends with", async () => {
  const { fake, broker } = await scripted(
    advised("RETRY_NEXT", other("p:b")),
    advised("GIVE_UP", { unavailable: unavailable("NO_PROFILE") }),
  );
  const profiles: string[] = [];
  const result = await broker.use("p", {}, (_credential, attempt) => {
    profiles.push(attempt.profile);
    attempt.fail({ status: 200, source: "STREAM_EVENT", body: { type: "error" } });
    if (attempt.number === 1) throw new Error("an SDK's own error");
    return "half";
  });
  expect({ result, profiles }).toEqual({ result: "half", profiles: ["p:a", "p:b"] });
  expect(reports(fake)[0]?.providerResponse).toMatchObject({
    source: "RESPONSE_SOURCE_STREAM_EVENT",
    httpStatus: 200,
    body: Buffer.from('{"type":"error"}'),
  });
});

test("the caller's own bug is rethrown, its lease given back, and nothing reported", async () => {
  const { fake, broker } = await scripted();
  const bug = new TypeError("x is not a function");
  await expect(broker.use("p", {}, answering(bug).callback)).rejects.toBe(bug);
  expect(reports(fake)).toEqual([]);
  expect(released(fake)).toEqual(["lease-p:a-1"]);
});

test("an abort is never tried again", async () => {
  const { fake, broker } = await scripted(advised("RETRY_NEXT", other("p:b")));
  const abort = new DOMException("stopped", "AbortError");
  await expect(broker.use("p", {}, answering(abort).callback)).rejects.toBe(abort);
  expect(reports(fake)).toEqual([expect.objectContaining({ acquireNext: false })]);
});

test("the signal ends waiting and trying; a run that it ended says nothing about the provider", async () => {
  const { fake, broker } = await scripted();
  const stop = new AbortController();
  const running = broker.use("p", { signal: stop.signal }, async () => {
    stop.abort(new Error("stop"));
    throw Object.assign(new Error("broke off"), { code: "ECONNRESET" });
  });
  await expect(running).rejects.toThrow("broke off");
  expect(reports(fake)).toEqual([]);
  expect(released(fake)).toEqual(["lease-p:a-1"]);
  await expect(broker.use("p", { signal: stop.signal }, () => 1)).rejects.toThrow("stop");
});

test("a signal during the delay ends it and gives back what was granted", async () => {
  const stop = new AbortController();
  const { fake } = await scripted(advised("RETRY_SAME", other("p:b"), { delayMs: 1_000 }));
  const impatient = await clientOf(fake.path, {
    clock: {
      now: () => ({ wallMs: 0, monoMs: 0 }),
      sleep: async (_ms, signal) => {
        stop.abort(new Error("stop"));
        signal?.throwIfAborted();
      },
    },
  });
  const { runs, callback } = answering(tooMany(), "never");
  await expect(impatient.use("p", { signal: stop.signal }, callback)).rejects.toThrow("stop");
  expect(runs).toHaveLength(1);
  expect(released(fake)).toEqual(["lease-p:b-1"]);
});

test("trouble with the report never hides what the provider said", async () => {
  const { fake, broker } = await scripted();
  fake.report = () => ({ failure: { kind: "lease_unknown" } });
  const refusal = tooMany();
  expect(await broker.use("p", {}, () => refusal)).toBe(refusal);
  expect(await broker.use("p", {}, () => "fine")).toBe("fine");
});

test("when nothing can be acquired the callback does not run", async () => {
  const { fake, broker } = await scripted();
  fake.acquire = () => ({ failure: { kind: "provider_unknown", provider: "p" } });
  const { runs, callback } = answering("never");
  expect(await errorOf(broker.use("p", {}, callback))).toMatchObject({ reason: "PROVIDER_UNKNOWN" });
  expect(runs).toEqual([]);
});
