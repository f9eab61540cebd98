import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { errorJson } from "../support/cli.ts";
import { ownDirectory } from "../support/endpoint-fixture.ts";
import { Peer } from "../support/peer.ts";
import type { RpcError } from "../support/rpc-error.ts";
import { type Serving, serving } from "../support/serving.ts";
import type { Json } from "../support/wire-json.ts";

const KEY = { provider: "openrouter" };

function peerAt(broker: Serving, endpoint: string): Peer {
  const path =
    endpoint === "agent"
      ? join(broker.cli.home, "run", "agent.sock")
      : broker.at(endpoint).AUTH_BROKER_SOCKET;
  const peer = new Peer({ kind: "unix", path });
  onTestFinished(() => peer.close());
  return peer;
}

const refused = (call: Promise<unknown>): Promise<RpcError> =>
  call.then(
    () => Promise.reject(new Error("was not refused")),
    (error: RpcError) => error,
  );

describe("an endpoint for one provider", () => {
  test("gives nothing of another and names no profile of it", async () => {
    const broker = await serving({ agent1: { providers: ["anthropic"] } });
    const one = peerAt(broker, "agent1");
    for (const request of [KEY, { ...KEY, profile: "openrouter:work" }]) {
      const error = await refused(one.acquire(request));
      expect(error).toMatchObject({ code: "NOT_FOUND", reason: "NO_PROFILE" });
      expect(JSON.stringify(error)).not.toContain("work");
    }
    expect(JSON.stringify(await one.status())).not.toContain("openrouter");
    expect(JSON.stringify(await one.explain(KEY))).not.toContain("work");
    expect((await refused(one.call("profile", "ListProfiles", {}))).code).toBe("UNIMPLEMENTED");
  });

  test("knows no lease of another endpoint, nor an altered one", async () => {
    const broker = await serving({ ci: {} });
    const [agent, ci] = [peerAt(broker, "agent"), peerAt(broker, "ci")];
    const { leaseId } = (await agent.acquire(KEY)).lease;
    const report = (peer: Peer, id: string) => peer.report({ leaseId: id, outcome: "OUTCOME_RATE_LIMIT" });
    const altered = `${leaseId.slice(0, 20)}${leaseId[20] === "A" ? "B" : "A"}${leaseId.slice(21)}`;
    for (const [peer, id] of [
      [ci, leaseId],
      [agent, altered],
      [agent, "nothing"],
    ] as const) {
      expect((await refused(report(peer, id))).reason).toBe("LEASE_UNKNOWN");
    }
    expect(await report(agent, leaseId)).toMatchObject({ applied: true });
  });
});

describe("an endpoint with a limit", () => {
  test("of acquires: a thousand in a minute are limited, told when to come back, and audited", async () => {
    const broker = await serving({ ci: { rate: 100 } });
    const ci = peerAt(broker, "ci");
    const answers = await Promise.allSettled(Array.from({ length: 1_000 }, () => ci.acquire(KEY)));
    expect(answers.filter((a) => a.status === "fulfilled")).toHaveLength(100);
    const error = await refused(ci.acquire(KEY));
    expect(error).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "ENDPOINT_LIMIT" });
    expect(error.retryDelayMs).toBeGreaterThan(30_000);
    const counted = async () => {
      const lines = (await broker.cli("audit --json --last 0")).stdout
        .trim()
        .split("\n")
        .map((l) => JSON.parse(l));
      const limited = lines.filter((l) => l.outcome === "ENDPOINT_LIMIT" && l.actor.endpoint === "ci");
      return limited.map((l) => l.count ?? 1).reduce((a, b) => a + b, 0);
    };
    await expect.poll(counted, { timeout: 5_000 }).toBe(901);
  });

  test("of open leases: what is given back makes room, what is watched is one", async () => {
    const broker = await serving({ ci: { mostLeases: 2 } });
    const ci = peerAt(broker, "ci");
    const first = await ci.acquire(KEY);
    const watch = ci.watch(KEY);
    expect((await watch.next()).granted).toBeTruthy();
    const error = await refused(ci.acquire(KEY));
    expect(error).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "ENDPOINT_LIMIT" });
    expect(error.retryDelayMs).toBeGreaterThan(3_000_000);
    await ci.release(first.lease.leaseId);
    await ci.acquire(KEY);
    expect((await refused(ci.acquire(KEY))).reason).toBe("ENDPOINT_LIMIT");
    expect(await peerAt(broker, "agent").acquire(KEY)).toBeTruthy();
    watch.cancel();
    // The broker hears of it in its own time.
    await expect
      .poll(
        () =>
          ci.acquire(KEY).then(
            () => true,
            () => false,
          ),
        { timeout: 5_000 },
      )
      .toBe(true);
  });
});

test("an endpoint with token switched off gives no bare token, and serves who asks otherwise", async () => {
  const broker = await serving({ ci: { token: false }, other: {} });
  const refusedToken = await broker.cli("token openrouter --json", { env: broker.at("ci") });
  expect(refusedToken).toMatchObject({ code: 77, stdout: "" });
  expect(errorJson(refusedToken)).toMatchObject({
    code: "PERMISSION_DENIED",
    reason: "CLIENT_FORBIDDEN",
    message: expect.stringContaining('"token": false'),
  });
  expect(await broker.cli("acquire openrouter", { env: broker.at("ci") })).toMatchObject({ code: 0 });
  expect(await broker.cli("token openrouter", { env: broker.at("other") })).toMatchObject({ code: 0 });
  // It is no wall: a program of the same user may ask as another command does.
  expect(await peerAt(broker, "ci").acquire(KEY)).toBeTruthy();
  expect((await refused(peerAt(broker, "ci").acquire({ ...KEY, bareToken: true }))).reason).toBe(
    "CLIENT_FORBIDDEN",
  );
  const audit = (await broker.cli("audit --json --last 0")).stdout;
  expect(audit).toContain('"CLIENT_FORBIDDEN"');
});

describe("an endpoint that asks a person", () => {
  /** An endpoint whose questions are written down and answered by a program. */
  async function asking(script: string, more: Json = {}) {
    const directory = ownDirectory();
    const asked = join(directory, "asked");
    const program = join(directory, "ask");
    await writeFile(program, `#!/bin/sh\ncat >> ${asked}\n${script}\n`, { mode: 0o755 });
    const broker = await serving({ ci: { confirm: { command: [program], ...more } } });
    const questions = async () =>
      (await readFile(asked, "utf8").catch(() => ""))
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line));
    return { broker, ci: peerAt(broker, "ci"), questions };
  }

  test("gives a credential for a yes, and asks anew each time unless told to remember", async () => {
    const { ci, questions } = await asking("exit 0");
    expect((await ci.acquire({ ...KEY, model: "m", sessionId: "s" })).lease.profile).toBe("openrouter:work");
    await ci.acquire(KEY);
    const uid = process.getuid?.();
    expect(await questions()).toMatchObject([
      { endpoint: "ci", provider: "openrouter", model: "m", sessionId: "s", uid, pid: process.pid },
      { provider: "openrouter", model: "" },
    ]);
    expect(JSON.stringify(await questions())).not.toContain("sk-FAKE");
  });

  test("remembers a yes for as long as it is told to, for one provider", async () => {
    const { ci, questions } = await asking("exit 0", { remember: "1h" });
    for (let i = 0; i < 3; i += 1) await ci.acquire(KEY);
    expect(await questions()).toHaveLength(1);
    await refused(ci.acquire({ provider: "anthropic" }));
    expect(await questions()).toHaveLength(2);
  });

  test.each([
    ["a no", "exit 1"],
    ["a program that is ended", "kill -9 $$"],
    ["silence", "sleep 60"],
  ])("refuses for %s, and does not ask again at once", async (_what, script) => {
    const { broker, ci, questions } = await asking(script, { timeout: "300ms" });
    for (let i = 0; i < 3; i += 1) {
      const error = await refused(ci.acquire(KEY));
      expect(error).toMatchObject({ code: "PERMISSION_DENIED", reason: "CLIENT_FORBIDDEN" });
    }
    expect(await questions()).toHaveLength(1);
    const watch = ci.watch(KEY);
    expect((await refused(watch.next())).reason).toBe("CLIENT_FORBIDDEN");
    expect(errorJson(await broker.cli("acquire openrouter --json", { env: broker.at("ci") })).reason).toBe(
      "CLIENT_FORBIDDEN",
    );
  });

  test("refuses where the program cannot be run, and says so", async () => {
    const broker = await serving({ ci: { confirm: { command: ["/no/such/program"] } } });
    expect((await refused(peerAt(broker, "ci").acquire(KEY))).reason).toBe("CLIENT_FORBIDDEN");
    await broker.daemon.line(/cannot be run \(ENOENT\)/);
  });

  test("asks for the next credential of a report too; the report is heard whatever the answer", async () => {
    const { ci } = await asking("test ! -e $0.no && touch $0.no");
    const { leaseId } = (await ci.acquire(KEY)).lease;
    const answer = await ci.report({ leaseId, outcome: "NETWORK", acquireNext: true });
    expect(answer).toMatchObject({ applied: true, next: { unavailable: { reason: "CLIENT_FORBIDDEN" } } });
  });

  test("answers before the caller's deadline, and the person goes on being asked", async () => {
    const { ci, questions } = await asking("sleep 2", { remember: "1h" });
    const began = performance.now();
    expect((await refused(ci.acquire(KEY, { deadlineMs: 700 }))).reason).toBe("CLIENT_FORBIDDEN");
    expect(performance.now() - began).toBeLessThan(700);
    expect((await ci.acquire(KEY)).lease.profile).toBe("openrouter:work");
    expect(await questions()).toHaveLength(1);
  });
});
