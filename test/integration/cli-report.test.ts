import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { HOUR, iso, type World } from "../support/broker-world.ts";
import { brokerCli, type Cli, errorJson } from "../support/cli.ts";

const CODEX = "openai-codex";
const A = `${CODEX}:a`;
const B = `${CODEX}:b`;

async function scene(): Promise<{ broker: World; cli: Cli; lease: () => Promise<string> }> {
  const { broker, cli } = await brokerCli();
  await broker.put(A);
  await broker.put(B);
  return { broker, cli, lease: async () => (await broker.acquire(CODEX)).lease.leaseId };
}

test.each(["RATE_LIMIT", "rate_limit", "rate-limit", "OUTCOME_RATE_LIMIT"])(
  "an outcome is understood as %s",
  async (name) => {
    const { broker, cli, lease } = await scene();
    const ended = await cli(`report ${await lease()} ${name}`);
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    expect(ended.stdout).toMatch(
      /^applied RATE_LIMIT \(PROFILE\); the profile is COOLING_DOWN; this limit ends at .+; advice: RETRY_NEXT\n$/,
    );
    expect((await broker.get(A)).state).toBe("PROFILE_STATE_COOLING_DOWN");
  },
);

test("model, stated time and started response reach the broker", async () => {
  const { broker, cli, lease } = await scene();
  const retryTime = iso(Math.ceil(broker.nowMs / 1000) * 1000 + HOUR).replace(".000", "");
  const ended = await cli(
    `report ${await lease()} USAGE_LIMIT --model m --retry-time ${retryTime} --response-started --json`,
  );
  expect(JSON.parse(ended.stdout)).toMatchObject({
    applied: true,
    ignoredReason: "IGNORED_REASON_UNSPECIFIED",
    outcome: "OUTCOME_USAGE_LIMIT",
    scope: "SCOPE_PROFILE",
    advice: { action: "ADVICE_ACTION_GIVE_UP", delay: "0s" },
    profileState: "PROFILE_STATE_COOLING_DOWN",
    retryTime,
    next: null,
  });
});

test("an OK has no advice; a report that does not count says why", async () => {
  const { broker, cli, lease } = await scene();
  const first = await lease();
  expect((await cli(`report ${first} ok`)).stdout).toBe("applied OK; the profile is READY\n");
  await broker.put(A, { accessToken: "at-FAKE-newer" });
  expect((await cli(`report ${first} auth-invalid-token`)).stdout).toMatch(
    /^not applied, STALE_GENERATION: AUTH_INVALID_TOKEN/,
  );
});

test("--next brings the next credential, or why there is none", async () => {
  const { broker, cli, lease } = await scene();
  const shown = (await cli(`report ${await lease()} usage-limit --next`)).stdout;
  expect(shown).toMatch(/^profile +openai-codex:b$/m);
  expect(shown).toMatch(/^headers +authorization, chatgpt-account-id$/m);
  expect(shown).not.toContain("FAKE");
  const { lease: second } = await broker.acquire({ provider: CODEX });
  const json = await cli(`report ${second.leaseId} usage-limit --next --json`);
  expect(json.code).toBe(0);
  expect(JSON.parse(json.stdout).next).toMatchObject({ unavailable: { reason: "ALL_COOLING_DOWN" } });
  await broker.clear(A);
  await broker.update({ profile: B, enabled: false });
  expect((await cli(`report ${await lease()} rate-limit --next`)).stdout).toMatch(
    /^unavailable {2}ALL_COOLING_DOWN {2}.+; again at /m,
  );
});

const RATE_LIMITED = {
  httpStatus: 429,
  headers: { "Retry-After": "30" },
  bodyText: '{"error":{"type":"rate_limit_exceeded"}}',
};
const RAW =
  'HTTP/1.1 429 Too Many Requests\r\nRetry-After: 30\r\n\r\n{"error":{"type":"rate_limit_exceeded"}}';

test.each([
  ["JSON", JSON.stringify(RATE_LIMITED)],
  [
    "JSON with a byte order mark and CRLF",
    `\uFEFF${JSON.stringify(RATE_LIMITED, undefined, 1).replaceAll("\n", "\r\n")}`,
  ],
  ["HTTP", RAW],
])("a raw answer as %s is judged by the broker, from a file and from standard input", async (_what, text) => {
  const { cli, lease } = await scene();
  const file = join(cli.home, "response");
  await writeFile(file, text);
  expect(JSON.parse((await cli(`report ${await lease()} --response ${file} --json`)).stdout)).toMatchObject({
    outcome: "OUTCOME_RATE_LIMIT",
  });
  expect(
    JSON.parse((await cli(`report ${await lease()} --response - --json`, { input: text })).stdout),
  ).toMatchObject({ outcome: "OUTCOME_RATE_LIMIT" });
});

test("a raw answer of 10 MB is cut, not refused", async () => {
  const { cli, lease } = await scene();
  const long = { httpStatus: 500, bodyText: "x".repeat(10_000_000) };
  expect(await cli(`report ${await lease()} --response -`, { input: JSON.stringify(long) })).toMatchObject({
    code: 0,
  });
  const body = Buffer.alloc(10_000_000, "x").toString("base64");
  expect(
    await cli(`report ${await lease()} --response -`, { input: JSON.stringify({ httpStatus: 500, body }) }),
  ).toMatchObject({ code: 0 });
});

test.each([
  ["", 65, "is empty"],
  ["{", 65, "not valid JSON"],
  ["[]", 64, "JSON object"],
  ['{"httpStatus":"429"}', 64, "provider_response.http_status"],
  ['{"httpStatus":429,"source":"MODEL"}', 64, "provider_response.source"],
  ['{"httpStatus":429,"sauce":1}', 64, "provider_response.sauce"],
  ['{"httpStatus":429,"headers":{"a":1}}', 64, "provider_response.headers[a]"],
  ['{"httpStatus":1e9}', 64, "http_status"],
  ['{"httpStatus":429,"body":"not base64!"}', 64, "provider_response.body"],
  ["{}", 64, "provider_response"],
])("a raw answer that reads %j ends with %d and names the fault", async (input, exit, why) => {
  const { cli, lease } = await scene();
  const ended = await cli(`report ${await lease()} --response - --json`, { input });
  expect(ended).toMatchObject({ code: exit, stdout: "" });
  expect(errorJson(ended).message).toContain(why);
});

test("a missing file and a directory are told apart", async () => {
  const { cli, lease } = await scene();
  expect(await cli(`report ${await lease()} --response ${cli.home}/none`)).toMatchObject({ code: 66 });
  expect(await cli(`report ${await lease()} --response ${cli.home}`)).toMatchObject({ code: 65 });
});
