import { expect, test } from "vitest";
import { at, HOUR, MINUTE, refusal, type World, world } from "../support/broker-world.ts";
import { fakeJwt } from "../support/jwt.ts";

const CODEX = "openai-codex";
const A = `${CODEX}:a`;
const B = `${CODEX}:b`;

async function one(): Promise<World> {
  const broker = await world();
  await broker.put(A);
  return broker;
}

test("a put gives the whole profile, and nothing of it is a secret", async () => {
  await using broker = await world();
  const profile = await broker.put(
    "openai-codex:work",
    { idToken: "idt-FAKE", email: "anna@example.test", planType: "plus", scopes: ["openid"] },
    { pools: ["work"], ownership: "SOLE" },
  );
  expect(profile).toMatchObject({
    profile: "openai-codex:work",
    provider: CODEX,
    label: "work",
    kind: "PROFILE_KIND_OAUTH",
    planType: "plus",
    pools: ["work"],
    costClass: "COST_CLASS_SUBSCRIPTION",
    ownership: "OWNERSHIP_SOLE",
    state: "PROFILE_STATE_READY",
    stateReason: "",
    order: 1,
    enabled: true,
    generation: 1,
    hasRefreshToken: true,
    lastRefreshTime: null,
    cooldowns: [],
    usageWindows: [],
    sessionCount: 0,
  });
  expect(profile.tokenFingerprint).toMatch(/^[0-9a-f]{8}$/);
  expect(profile.accountHint).toBe("a…@example.test");
  expect(at(profile.accessTokenExpireTime)).toBe(broker.nowMs + 10 * HOUR);
  const everything = JSON.stringify([
    profile,
    await broker.get("openai-codex:work"),
    await broker.list(),
    await broker.agent.status(),
    await broker.agent.explain({ provider: CODEX }),
    broker.log,
  ]);
  expect(everything).not.toMatch(/(at|rt|idt)-FAKE/);
  expect(JSON.stringify(await broker.acquire(CODEX))).not.toContain("rt-FAKE");
});

test("a put of a token or a key has its kind, cost class and fingerprint", async () => {
  await using broker = await world();
  expect(await broker.putToken("anthropic:t")).toMatchObject({
    kind: "PROFILE_KIND_TOKEN",
    costClass: "COST_CLASS_SUBSCRIPTION",
    hasRefreshToken: false,
    refreshTime: null,
    accessTokenExpireTime: null,
  });
  expect(await broker.putKey("openai-api:k")).toMatchObject({
    kind: "PROFILE_KIND_API_KEY",
    costClass: "COST_CLASS_METERED",
    hasRefreshToken: false,
  });
});

test("account, plan and expiry are read from the tokens when nobody says them", async () => {
  await using broker = await world();
  const now = broker.nowMs / 1000;
  const claims = {
    iat: now,
    exp: now + 7200,
    "https://api.openai.com/auth": { chatgpt_account_id: "acct-jwt", chatgpt_plan_type: "pro" },
  };
  await broker.put(A, {
    accessToken: fakeJwt(claims),
    idToken: fakeJwt({ ...claims, email: "a@example.test" }),
    accountId: "",
    expireTime: null,
  });
  const { credential } = await broker.acquire(CODEX);
  expect(credential.oauth).toMatchObject({ accountId: "acct-jwt", planType: "pro" });
  expect(credential.headers["chatgpt-account-id"]).toBe("acct-jwt");
  expect(at(credential.oauth?.expireTime)).toBe(broker.nowMs + 2 * HOUR);
  expect(credential.attributes.email).toBe("a@example.test");
});

for (const [provider, kind, expected] of [
  ["anthropic", "oauth", { authorization: "Bearer at-FAKE-x", "anthropic-beta": "oauth-2025-04-20" }],
  ["anthropic", "key", { "x-api-key": "sk-FAKE-x" }],
  ["google-gemini-cli", "oauth", { authorization: "Bearer at-FAKE-x" }],
  ["openai-api", "key", { authorization: "Bearer sk-FAKE-x" }],
  ["xai", "key", { authorization: "Bearer sk-FAKE-x" }],
] as const) {
  test(`headers ready to send: ${provider} ${kind}`, async () => {
    await using broker = await world();
    const id = `${provider}:x`;
    await (kind === "oauth" ? broker.put(id) : broker.putKey(id));
    expect((await broker.acquire(provider)).credential.headers).toEqual(expected);
  });
}

test("unset in a put: enabled is true and ownership UNKNOWN; on an existing id unset fields and empty pools stay", async () => {
  await using broker = await world();
  expect(await broker.put(A)).toMatchObject({ enabled: true, ownership: "OWNERSHIP_UNKNOWN", pools: [] });
  await broker.put(
    B,
    {},
    { enabled: false, ownership: "SOLE", pools: ["p", "q"], baseUrl: "https://api.example.test" },
  );
  const again = await broker.put(B, { accessToken: "at-FAKE-2", expireTime: broker.inTime(20 * HOUR) });
  expect(again).toMatchObject({
    enabled: false,
    state: "PROFILE_STATE_DISABLED",
    ownership: "OWNERSHIP_SOLE",
    pools: ["p", "q"],
    generation: 2,
  });
  await broker.update({ profile: B, enabled: true });
  expect((await broker.acquire({ provider: CODEX, profile: B })).credential.baseUrl).toBe(
    "https://api.example.test",
  );
});

test("a put replaces the grant: the generation rises and the fingerprint changes", async () => {
  await using broker = await one();
  const before = await broker.get(A);
  const after = await broker.put(A, {
    accessToken: "at-FAKE-2",
    refreshToken: "rt-FAKE-2",
    expireTime: broker.inTime(20 * HOUR),
  });
  expect(after.generation).toBe(before.generation + 1);
  expect(after.tokenFingerprint).not.toBe(before.tokenFingerprint);
  await broker.restart();
  expect((await broker.acquire(CODEX)).credential.oauth?.accessToken).toBe("at-FAKE-2");
});

test("a grant that tells that it is older is refused: OLDER_GRANT, by expiry and by iat", async () => {
  await using broker = await one();
  const older = await refusal(broker.put(A, { accessToken: "at-FAKE-0", expireTime: broker.inTime(HOUR) }));
  expect(older).toMatchObject({ code: "FAILED_PRECONDITION", reason: "OLDER_GRANT" });
  expect((await broker.get(A)).generation).toBe(1);
  const jwt = (iat: number, exp: number) =>
    fakeJwt({ iat: broker.nowMs / 1000 + iat, exp: broker.nowMs / 1000 + exp });
  await broker.put(B, { accessToken: jwt(-60, 7200), expireTime: null });
  const byIat = await refusal(broker.put(B, { accessToken: jwt(-600, 9000), expireTime: null }));
  expect(byIat.reason).toBe("OLDER_GRANT");
  expect((await broker.put(B, { accessToken: jwt(-30, 3600), expireTime: null })).generation).toBe(2);
});

test("another account under the same id needs allow_account_change: ACCOUNT_CHANGED", async () => {
  await using broker = await one();
  const other = { accountId: "acct-other", accessToken: "at-FAKE-o", expireTime: broker.inTime(20 * HOUR) };
  const error = await refusal(broker.put(A, other));
  expect(error).toMatchObject({ code: "FAILED_PRECONDITION", reason: "ACCOUNT_CHANGED" });
  expect((await broker.acquire(CODEX)).credential.oauth?.accountId).toBe("acct-a");
  await broker.put(A, other, { allowAccountChange: true });
  expect((await broker.acquire(CODEX)).credential.oauth?.accountId).toBe("acct-other");
});

test("an account change leaves the old account's limits and blocks behind", async () => {
  await using broker = await one();
  await broker.fails(CODEX, "USAGE_LIMIT", { retryTime: broker.inTime(HOUR) });
  await broker.put(
    A,
    { accountId: "acct-other", accessToken: "at-FAKE-o", expireTime: broker.inTime(20 * HOUR) },
    { allowAccountChange: true },
  );
  expect(await broker.serves(CODEX)).toBe(A);
});

test("the same identity under another id is ALREADY_EXISTS, reason IDENTITY_EXISTS, naming it", async () => {
  await using broker = await world();
  await broker.put(A, { accountId: "acct-1", userId: "u-1" });
  const error = await refusal(broker.put(B, { accountId: "acct-1", userId: "u-1" }));
  expect(error).toMatchObject({ code: "ALREADY_EXISTS", reason: "IDENTITY_EXISTS" });
  expect(error.message).toContain(A);
  await broker.put(`${CODEX}:c`, { accountId: "acct-1", userId: "u-2" });
  await broker.put("qwen:a", { accountId: "acct-1", userId: "u-1" });
});

test("without a user id the e-mail tells who it is, and unknown parts match nothing", async () => {
  await using broker = await world();
  await broker.put(A, { accountId: "acct-1", email: "a@example.test" });
  const same = await refusal(broker.put(B, { accountId: "acct-1", email: "a@example.test" }));
  expect(same.reason).toBe("IDENTITY_EXISTS");
  await broker.put(B, { accountId: "acct-1", email: "b@example.test" });
  await broker.put(`${CODEX}:c`, { accountId: "" });
  await broker.put(`${CODEX}:d`, { accountId: "" });
  expect((await broker.list()).profiles).toHaveLength(4);
});

test("a put needs exactly one grant, a profile id with a provider that is known", async () => {
  await using broker = await world();
  const put = (request: Record<string, unknown>) =>
    refusal(broker.admin.call("profile", "PutProfile", request));
  expect(await put({ profile: A })).toMatchObject({ code: "INVALID_ARGUMENT", reason: "FIELD_INVALID" });
  expect(await put({ profile: "", apiKey: { key: "sk-FAKE" } })).toMatchObject({ reason: "FIELD_INVALID" });
  expect(await put({ profile: "nolabel", apiKey: { key: "sk-FAKE" } })).toMatchObject({
    reason: "FIELD_INVALID",
  });
  expect(await put({ profile: A, apiKey: { key: "" } })).toMatchObject({ reason: "FIELD_INVALID" });
  expect(await put({ profile: "no-such:x", apiKey: { key: "sk-FAKE" } })).toMatchObject({
    code: "NOT_FOUND",
    reason: "PROVIDER_UNKNOWN",
  });
});

test("UpdateProfile changes label, switch, address and pools; the id stays, what is unset stays", async () => {
  await using broker = await one();
  const updated = await broker.update({
    profile: A,
    label: "Anna",
    baseUrl: "https://api.example.test",
    pools: ["x"],
  });
  expect(updated).toMatchObject({ profile: A, label: "Anna", pools: ["x"], enabled: true, generation: 1 });
  const off = await broker.update({ profile: A, enabled: false });
  expect(off).toMatchObject({ label: "Anna", pools: ["x"], enabled: false, state: "PROFILE_STATE_DISABLED" });
  await broker.restart();
  expect(await broker.get(A)).toMatchObject({ label: "Anna", state: "PROFILE_STATE_DISABLED" });
  await broker.update({ profile: A, enabled: true });
  expect((await broker.acquire({ provider: CODEX, pool: "x" })).credential.baseUrl).toBe(
    "https://api.example.test",
  );
});

test("DeleteProfile answers {} and removes it for good", async () => {
  await using broker = await one();
  expect(await broker.remove(A)).toEqual({});
  expect((await refusal(broker.get(A))).reason).toBe("PROFILE_UNKNOWN");
  await broker.restart();
  expect((await broker.list()).profiles).toEqual([]);
  expect((await broker.put(A)).state).toBe("PROFILE_STATE_READY");
});

test("ListProfiles gives all or those of one provider, in pages", async () => {
  await using broker = await world();
  for (let i = 0; i < 5; i += 1) await broker.put(`${CODEX}:${i}`);
  await broker.put("qwen:a");
  expect((await broker.list()).profiles).toHaveLength(6);
  expect((await broker.list({ provider: "qwen" })).profiles.map((p) => p.profile)).toEqual(["qwen:a"]);
  const seen: string[] = [];
  let pageToken = "";
  let pages = 0;
  do {
    const page = await broker.list({ pageSize: 4, pageToken });
    expect(page.profiles.length).toBeLessThanOrEqual(4);
    seen.push(...page.profiles.map((p) => p.profile));
    pageToken = page.nextPageToken;
    pages += 1;
  } while (pageToken !== "");
  expect(pages).toBe(2);
  expect(new Set(seen).size).toBe(6);
  expect((await broker.list({ pageSize: 6 })).nextPageToken).toBe("");
});

test("ClearCooldown also ends BLOCKED", async () => {
  await using broker = await one();
  await broker.fails(CODEX, "FORBIDDEN");
  expect(await broker.clear(A)).toMatchObject({ state: "PROFILE_STATE_READY" });
});

test("WatchProfiles: the first message has all, then come the changes and the removed", async () => {
  await using broker = await one();
  await broker.put(B);
  const watch = broker.watchProfiles();
  const first = await watch.next();
  expect(first).toMatchObject({ snapshot: true, removed: [] });
  expect(first.profiles.map((p) => p.profile).sort()).toEqual([A, B]);
  await broker.update({ profile: B, enabled: false });
  const second = await watch.next();
  expect(second).toMatchObject({ snapshot: false, removed: [] });
  expect(second.profiles).toMatchObject([{ profile: B, state: "PROFILE_STATE_DISABLED" }]);
  await broker.remove(B);
  expect(await watch.next()).toMatchObject({ snapshot: false, profiles: [], removed: [B] });
  await broker.fails(CODEX, "RATE_LIMIT");
  expect((await watch.next()).profiles).toMatchObject([{ profile: A, state: "PROFILE_STATE_COOLING_DOWN" }]);
  await broker.advance(MINUTE);
  expect((await watch.next()).profiles).toMatchObject([{ profile: A, state: "PROFILE_STATE_READY" }]);
  watch.cancel();
});

test("WatchProfiles of one provider tells only of that one, and begins with an empty snapshot if there is none", async () => {
  await using broker = await world();
  const watch = broker.watchProfiles("qwen");
  expect(await watch.next()).toEqual({ profiles: [], removed: [], snapshot: true });
  await broker.put(A);
  await broker.put("qwen:a");
  expect((await watch.next()).profiles.map((p) => p.profile)).toEqual(["qwen:a"]);
  watch.cancel();
});

test("an id in SetOrder that names no profile is told as unknown", async () => {
  await using broker = await one();
  const answer = await broker.order(CODEX, `${CODEX}:gone`, A, A);
  expect(answer).toEqual({ profiles: [A], unknown: [`${CODEX}:gone`] });
  expect(await broker.order(CODEX)).toEqual({ profiles: [], unknown: [] });
});

test("a cooldown in a put needs its outcome and its end", async () => {
  await using broker = await world();
  const put = (cooldown: Record<string, unknown>) => refusal(broker.put(A, {}, { cooldowns: [cooldown] }));
  expect((await put({ outcome: "USAGE_LIMIT" })).fields).toEqual(["cooldowns[0].until_time"]);
  expect((await put({ untilTime: broker.inTime(HOUR) })).fields).toEqual(["cooldowns[0].outcome"]);
});

test("admin calls name an unknown provider, and refuse an order with another provider's profiles", async () => {
  await using broker = await one();
  expect((await refusal(broker.order("no-such", "no-such:x"))).reason).toBe("PROVIDER_UNKNOWN");
  expect((await refusal(broker.acknowledge("no-such"))).reason).toBe("PROVIDER_UNKNOWN");
  expect((await refusal(broker.order(CODEX, "qwen:x"))).reason).toBe("FIELD_INVALID");
});

test("a clear of one model leaves a block alone", async () => {
  await using broker = await one();
  await broker.fails(CODEX, "FORBIDDEN");
  expect((await broker.clear(A, "m")).state).toBe("PROFILE_STATE_BLOCKED");
});
