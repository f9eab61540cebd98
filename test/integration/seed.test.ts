import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { putRequest } from "../../src/cli/import-put.ts";
import { readSource } from "../../src/import/sources.ts";
import { toJson } from "../../src/rpc/json.ts";
import { decode, encode, type Message, messageType } from "../../src/rpc/schema.ts";
import { HOUR, World } from "../support/broker-world.ts";
import { type OpenclawHomeOptions, SEED_PROFILES, writeOpenclawHome } from "../support/openclaw-home.ts";

const START_MS = Date.UTC(2026, 4, 19, 12);
const RESET = "2026-05-23T21:43:00Z";
const LIMIT_TEXT =
  "You've reached your Codex subscription usage limit. Next reset in 5 days, May 23 at 10:43 PM GMT+1.";
const [FIRST, SECOND] = SEED_PROFILES;
const THIRD_ACCOUNT = "phantom";

function asJson(request: Message) {
  const name = "authbroker.v1.PutProfileRequest";
  const type = messageType(name);
  return toJson(name, decode(type, encode(type, request)));
}

/**
 * Two OpenClaw agents, two accounts, an order written under `openai`, the first account at its limit,
 * and a Codex login of a third account beside them that nobody gave to the broker.
 */
describe("the case that this project starts from", () => {
  let world: World;
  let userHome: string;

  beforeEach(async () => {
    userHome = await mkdtemp(join(tmpdir(), "auth-broker-seed-"));
    world = new World(await mkdtemp(join(tmpdir(), "auth-broker-home-")), { startMs: START_MS });
    await world.start();
  });
  afterEach(async () => {
    await world.stop();
    await rm(userHome, { recursive: true, force: true });
    await rm(world.home, { recursive: true, force: true });
  });

  async function importOpenclaw(options: OpenclawHomeOptions): Promise<void> {
    await writeOpenclawHome(userHome, { ...options, codexHome: true, nowMs: START_MS });
    const now = world.clock.now();
    const plan = await readSource("openclaw", undefined, { env: {}, home: userHome, now });
    for (const profile of plan.profiles)
      await world.admin.call("profile", "PutProfile", asJson(putRequest(profile)));
    for (const { provider, profiles } of plan.orders) await world.order(provider, ...profiles);
  }

  async function limitFirst(): Promise<void> {
    const { lease } = await world.acquire({ provider: "openai-codex", sessionId: "main" });
    expect(lease.profile).toBe(FIRST);
    const reply = await world.reportRaw(lease.leaseId, { httpStatus: 429, body: LIMIT_TEXT });
    expect([reply.outcome, reply.retryTime]).toEqual(["OUTCOME_USAGE_LIMIT", RESET]);
  }

  test.each(["absent", "empty", "copy"] as const)(
    "both agents get the second account, with the second agent's file %s",
    async (solenne) => {
      await importOpenclaw({ solenne });
      await limitFirst();
      for (const agent of ["main", "solenne"]) {
        expect(await world.serves({ provider: "openai-codex", sessionId: agent })).toBe(SECOND);
        expect(await world.serves({ provider: "openai", sessionId: `${agent}-old-name` })).toBe(SECOND);
      }
      const { profiles } = await world.list();
      expect(profiles.map((p) => p.profile).sort()).toEqual([FIRST, SECOND].sort());
      expect(JSON.stringify(profiles)).not.toContain(THIRD_ACCOUNT);
    },
  );

  test("the limit ends when the provider said, also after a restart, and the first account serves again", async () => {
    await importOpenclaw({ solenne: "absent" });
    await limitFirst();
    await world.restart(HOUR);
    const limited = await world.get(FIRST);
    expect(limited.state).toBe("PROFILE_STATE_COOLING_DOWN");
    expect(limited.cooldowns.map((c) => c.untilTime)).toEqual([RESET]);
    expect(await world.serves("openai-codex")).toBe(SECOND);
    await world.restart(Date.parse(RESET) - world.nowMs);
    expect((await world.get(FIRST)).cooldowns).toEqual([]);
  });

  test("a limit that OpenClaw already knew comes along with the import", async () => {
    await importOpenclaw({ solenne: "copy", limited: true });
    expect((await world.get(FIRST)).state).toBe("PROFILE_STATE_COOLING_DOWN");
    expect(await world.serves("openai-codex")).toBe(SECOND);
  });

  test("a stale id in the order changes nothing but a warning", async () => {
    await importOpenclaw({ solenne: "copy", staleOrderId: true });
    await limitFirst();
    expect(await world.serves({ provider: "openai-codex", sessionId: "solenne" })).toBe(SECOND);
    const status = await world.agent.call("status", "GetStatus", {});
    expect(JSON.stringify(status.warnings)).toContain("openai-codex:gone@example.test");
  });
});
