import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test as it, onTestFinished } from "vitest";
import { parseAddress } from "../../src/endpoint/address.ts";
import { at, MINUTE, type World, type WorldOptions, world } from "../support/broker-world.ts";
import { Peer } from "../support/peer.ts";
import { READ_OUTS, type UsageReply, type UsageRequest, usageServer } from "../support/usage-endpoint.ts";

/** The addresses of providers.yaml, on a server of this test. */
const PATHS = {
  "openai-codex": "/backend-api/wham/usage",
  anthropic: "/api/oauth/usage",
  "google-gemini-cli": "/v1internal:retrieveUserQuota",
  "google-antigravity": "/v1internal:fetchAvailableModels",
} as const;

/** A whole broker that reads usage over real connections; tokens are refreshed at the stand-in of the world. */
async function reading(answer: (request: UsageRequest) => UsageReply, options: WorldOptions = {}) {
  const server = await usageServer(answer);
  const providers = Object.fromEntries(
    Object.entries(PATHS).map(([id, path]) => [id, { usageUrl: server.url + path }]),
  );
  const made: { broker?: World } = {};
  const broker = await world({
    ...options,
    config: { ...options.config, providers },
    fetch: (url, init) =>
      url.startsWith(server.url) ? fetch(url, init) : (made.broker as World).token.fetch(url, init),
  });
  made.broker = broker;
  onTestFinished(() => broker[Symbol.asyncDispose]());
  return { broker, server };
}

interface Account {
  readonly profile: string;
  readonly planType: string;
  readonly storedResets: number;
  readonly state: string;
  readonly readings: readonly {
    readonly window: { readonly name: string; readonly usedPercent: number; readonly resetTime: string };
    readonly source: string;
  }[];
  readonly failure: { readonly code: string } | null;
  readonly history: readonly { readonly usedPercent: number }[];
}

async function getUsage(broker: World, request: object = { maxWait: "10s" }): Promise<readonly Account[]> {
  return (await broker.agent.call("status", "GetUsage", { ...request })).accounts as readonly Account[];
}

it("each vendor's own read-out, asked for as the vendor wants it and under our own name", async () => {
  const { broker, server } = await reading(({ path }) => ({
    body: READ_OUTS[path as keyof typeof READ_OUTS](37, broker.nowMs + 60 * MINUTE),
  }));
  for (const id of Object.keys(PATHS)) await broker.put(`${id}:a`, {}, { attributes: { projectId: "p-1" } });
  const accounts = await getUsage(broker);
  expect(
    accounts.map(({ profile, readings: [first] }) => [
      profile,
      first?.window.name,
      Math.round(first?.window.usedPercent ?? 0),
      first?.source,
    ]),
  ).toEqual([
    ["anthropic:a", "5h", 37, "RESPONSE_SOURCE_USAGE_API"],
    ["google-antigravity:a", "gemini-3-pro", 37, "RESPONSE_SOURCE_USAGE_API"],
    ["google-gemini-cli:a", "gemini-3-pro", 37, "RESPONSE_SOURCE_USAGE_API"],
    ["openai-codex:a", "primary", 37, "RESPONSE_SOURCE_USAGE_API"],
  ]);
  const asked = new Map(server.requests.map((request) => [request.path, request]));
  for (const { headers } of asked.values()) {
    expect(headers).toMatchObject({ authorization: "Bearer at-FAKE-a", "user-agent": "auth-broker" });
  }
  expect(asked.get(PATHS["openai-codex"])).toMatchObject({
    method: "GET",
    headers: { "chatgpt-account-id": "acct-a" },
  });
  expect(asked.get(PATHS.anthropic)?.headers).toMatchObject({ "anthropic-beta": "oauth-2025-04-20" });
  for (const id of ["google-gemini-cli", "google-antigravity"] as const) {
    expect(asked.get(PATHS[id])).toMatchObject({ method: "POST", body: '{"project":"p-1"}' });
  }
  expect(JSON.stringify([server.requests, broker.log])).not.toContain("rt-FAKE");
  expect(JSON.stringify(broker.log)).not.toContain("FAKE");
});

it("an ETag is sent back, and a 304 is a reading", async () => {
  const { broker, server } = await reading(({ headers }) =>
    headers["if-none-match"] === '"v1"'
      ? { status: 304 }
      : {
          headers: { etag: '"v1"' },
          body: READ_OUTS["/backend-api/wham/usage"](12, broker.nowMs + 60 * MINUTE),
        },
  );
  await broker.put("openai-codex:a");
  await getUsage(broker);
  await broker.advance(6 * MINUTE);
  await getUsage(broker);
  expect(server.requests).toHaveLength(2);
  const [window] = (await broker.get("openai-codex:a")).usageWindows;
  expect(window).toMatchObject({ usedPercent: 12 });
  expect(at(String(window?.observeTime))).toBe(broker.nowMs);
});

it.each([
  ["throttled, with a misleading Retry-After", { status: 429, headers: { "retry-after": "0" } }, "http_429"],
  ["without the scope", { status: 403, body: { error: { type: "permission_error" } } }, "http_403"],
  ["broken", { status: 502, body: "<html>bad gateway</html>" }, "http_502"],
  ["moved", { status: 302, headers: { location: "/elsewhere" } }, "redirected"],
  ["of no known form", { body: { hello: "world" } }, "no_windows"],
  [
    "a page of somebody else",
    { headers: { "content-type": "text/html" }, body: "<html>hi</html>" },
    undefined,
  ],
] as const)("an endpoint that is %s changes no profile", async (_why, reply, code) => {
  const { broker, server } = await reading(() => reply);
  await broker.put("anthropic:a");
  const before = await broker.get("anthropic:a");
  const [account] = await getUsage(broker);
  expect(account).toMatchObject({ state: "PROFILE_STATE_READY", readings: [] });
  expect(account?.failure?.code).toEqual(code ?? expect.any(String));
  expect(await broker.get("anthropic:a")).toEqual(before);
  await getUsage(broker);
  expect(server.requests).toHaveLength(1);
});

it("a 401 is what a reported 401 is: that generation is refused, and one refresh brings the next", async () => {
  const { broker } = await reading(({ headers }) =>
    headers.authorization === "Bearer at-FAKE-a"
      ? { status: 401, body: { error: { code: "token_invalidated" } } }
      : { body: READ_OUTS["/backend-api/wham/usage"](12, broker.nowMs + 60 * MINUTE) },
  );
  await broker.put("openai-codex:a");
  await getUsage(broker);
  await broker.advance(1);
  expect(await broker.get("openai-codex:a")).toMatchObject({ generation: 2, state: "PROFILE_STATE_READY" });
  expect((await broker.acquire("openai-codex")).lease.generation).toBe(2);
});

it("an endpoint is told what it may use, and has nothing else looked at", async () => {
  const place = await mkdtemp(join(tmpdir(), "usage-"));
  onTestFinished(() => rm(place, { recursive: true, force: true }));
  const path = join(place, "ci.sock");
  const { broker, server } = await reading(
    () => ({ body: READ_OUTS["/api/oauth/usage"](12, broker.nowMs + 60 * MINUTE) }),
    { config: { endpoints: [{ name: "ci", path, providers: ["anthropic"] }] } },
  );
  await broker.put("anthropic:a");
  await broker.put("openai-codex:a");
  const ci = new Peer(parseAddress(path));
  onTestFinished(() => ci.close());
  const { accounts } = await ci.call("status", "GetUsage", { maxWait: "10s" });
  expect((accounts as readonly Account[]).map(({ profile }) => profile)).toEqual(["anthropic:a"]);
  expect(server.requests.map((request) => request.path)).toEqual([PATHS.anthropic]);
});

it("a watch shows everything at once, then every change", async () => {
  const { broker } = await reading(() => ({
    body: READ_OUTS["/backend-api/wham/usage"](12, broker.nowMs + 60 * MINUTE),
  }));
  await broker.put("openai-codex:a");
  await broker.putKey("openai-api:k");
  const watch = broker.agent.stream("status", "WatchUsage", {}) as never as {
    until(
      fits: (message: { accounts: readonly Account[] }) => boolean,
    ): Promise<{ accounts: readonly Account[] }>;
  };
  const { accounts } = await watch.until(() => true);
  expect(accounts.map(({ profile }) => profile)).toEqual(["openai-codex:a"]);
  const { lease } = await broker.acquire("openai-codex");
  await broker.report(lease.leaseId, "OUTCOME_OK", { usageWindows: [{ name: "primary", usedPercent: 50 }] });
  const later = await watch.until((message) => message.accounts[0]?.readings.length === 1);
  expect(later.accounts[0]?.readings[0]).toMatchObject({
    window: { name: "primary", usedPercent: 50 },
    source: "RESPONSE_SOURCE_UNSPECIFIED",
  });
});

it("resets that the owner holds are shown, as of the last reading, and no request redeems one", async () => {
  let held = 2;
  const { broker, server } = await reading(() => ({
    body: {
      ...READ_OUTS["/backend-api/wham/usage"](100, broker.nowMs + 60 * MINUTE),
      rate_limit_reset_credits: { available_count: held },
    },
  }));
  const shown = async () => (await getUsage(broker)).map((a) => [a.storedResets, a.planType]);
  await broker.put("openai-codex:a");
  expect(await shown()).toEqual([[2, "plus"]]);
  await broker.restart();
  expect(await shown()).toEqual([[2, "plus"]]);
  held = 0;
  await broker.advance(10 * MINUTE);
  expect(await shown()).toEqual([[0, "plus"]]);
  const asked = new Set(server.requests.map(({ method, path }) => `${method} ${path}`));
  expect(asked).toEqual(new Set([`GET ${PATHS["openai-codex"]}`]));
});

it("the history survives a restart, and goes with its profile", async () => {
  const { broker } = await reading(() => ({
    body: READ_OUTS["/backend-api/wham/usage"](12, broker.nowMs + 60 * MINUTE),
  }));
  const history = async () =>
    (await getUsage(broker, { history: true }))[0]?.history.map((s) => s.usedPercent);
  await broker.put("openai-codex:a");
  await getUsage(broker);
  expect(await history()).toEqual([12]);
  await broker.restart();
  expect(await history()).toEqual([12]);
  await broker.remove("openai-codex:a");
  await broker.put("openai-codex:a");
  expect(await history()).toEqual([]);
});

it("an unknown provider is refused", async () => {
  const { broker } = await reading(() => ({}));
  await expect(getUsage(broker, { provider: "nobody" })).rejects.toMatchObject({
    reason: "PROVIDER_UNKNOWN",
  });
  await expect(getUsage(broker, { maxWait: "-1s" })).rejects.toMatchObject({ reason: "FIELD_INVALID" });
});
