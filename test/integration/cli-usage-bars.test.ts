import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { World } from "../support/broker-world.ts";
import { HOUR, MINUTE } from "../support/broker-world.ts";
import { brokerCli, errorJson, MAIN } from "../support/cli.ts";
import { hasTerminal, startOnTerminal } from "../support/terminal.ts";
import { until } from "../support/until.ts";

/** Two accounts of which agents reported something. */
async function reported(broker: World): Promise<void> {
  await broker.put("openai-codex:a", { planType: "plus" });
  await broker.put("openai-codex:b");
  const { lease } = await broker.acquire({ provider: "openai-codex", profile: "openai-codex:a" });
  await broker.reportRaw(lease.leaseId, {
    httpStatus: 200,
    headers: {
      "x-codex-primary-used-percent": "52",
      "x-codex-primary-window-minutes": "300",
      "x-codex-primary-reset-after-seconds": "7200",
      "x-codex-secondary-used-percent": "99.7",
      "x-codex-secondary-window-minutes": "10080",
      "x-codex-secondary-reset-after-seconds": "360000",
    },
  });
}

const config = { usage: { poll: false } };

test("bars for each account and window, with percent, reset, countdown, age and source", async () => {
  const { broker, cli } = await brokerCli({ config });
  await reported(broker);
  const { stdout, code } = await cli("usage --max-wait 0s");
  expect(code).toBe(0);
  const [head, primary, secondary, none, other, remark] = stdout.split("\n");
  expect(head).toBe("openai-codex:a  plus  READY");
  expect(primary).toMatch(
    /^ {2}primary \(5 h\) {4}█{10}░{10} {3}52 % {2}resets (\d{4}-\d\d-\d\d )?\d\d:\d\d \(in [12] h.*\) +read .* from an answer of the model API$/,
  );
  expect(secondary).toMatch(/^ {2}secondary \(7 d\) {2}█{19}░ {3}99 % {2}resets /);
  expect([none, other, remark]).toEqual(["", "openai-codex:b  READY", "  nothing read yet"]);
});

test("a window that has started anew since shows what is not known", async () => {
  const { broker, cli } = await brokerCli({ config, startMs: Date.now() - 3 * HOUR });
  await reported(broker);
  const { stdout } = await cli("usage openai-codex --max-wait 0s");
  expect(stdout).toMatch(/primary \(5 h\) {4}░{20} {6}\? {2}started anew .* ago\)/);
});

test("--json is the answer, --history has the readings of the last 30 days", async () => {
  const { broker, cli } = await brokerCli({ config });
  await reported(broker);
  const { accounts } = JSON.parse((await cli("usage --json --history --max-wait 0s")).stdout);
  expect(accounts).toMatchObject([
    {
      profile: "openai-codex:a",
      planType: "plus",
      readings: [{ window: { name: "primary" }, source: "RESPONSE_SOURCE_MODEL_API", partial: false }, {}],
      nextReadTime: null,
      failure: null,
      history: [{ name: "primary", usedPercent: 52 }, { name: "secondary" }],
    },
    { profile: "openai-codex:b", readings: [] },
  ]);
  expect((await cli("usage --history --max-wait 0s")).stdout).toMatch(
    /·{29}▅ {2}30 days, the highest of each/,
  );
});

test("why usage cannot be read, and when it is tried again", async () => {
  const { broker, cli } = await brokerCli({
    fetch: async () => new Response("{}", { status: 429 }),
  });
  await broker.put("openai-codex:a");
  const { stdout } = await cli("usage");
  expect(stdout).toMatch(/cannot be read at the provider since .* \(http_429\); again .* at the earliest/);
});

test.each([
  [1, "1 stored reset"],
  [3, "3 stored resets"],
])("%s stored: the owner is told, once, and of none nothing", async (count, text) => {
  const body = {
    rate_limit: { primary_window: { used_percent: 100, limit_window_seconds: 18_000 } },
    rate_limit_reset_credits: { available_count: count },
  };
  const { broker, cli } = await brokerCli({ fetch: async () => Response.json(body) });
  await broker.put("openai-codex:a");
  const { stdout } = await cli("usage");
  expect(stdout.match(/stored/g)).toHaveLength(1);
  expect(stdout).toContain(`  ${text}: yours to redeem at the provider, the broker never does`);
});

test("nothing to show, an unknown provider, and what is wrong with a question", async () => {
  const { cli } = await brokerCli({ config });
  expect(await cli("usage")).toMatchObject({ code: 0, stdout: expect.stringContaining("auth-broker login") });
  const ended = await cli("usage nobody --json");
  expect(ended.code).toBe(64);
  expect(errorJson(ended).reason).toBe("PROVIDER_UNKNOWN");
  expect((await cli("usage --max-wait soon")).code).toBe(64);
});

test("--watch --json prints one object a line, at once and after each change", async () => {
  const { broker, cli } = await brokerCli({ config });
  await broker.put("openai-codex:a");
  const running = await cli.start("usage --watch --json");
  onTestFinished(async () => {
    running.kill("SIGTERM");
    await running.exited;
  });
  const lines = () =>
    running
      .stdout()
      .trim()
      .split("\n")
      .filter((line) => line !== "");
  await until(() => lines().length === 1);
  await reported(broker);
  await until(() => lines().some((line) => JSON.parse(line).accounts[0].readings.length === 2));
});

describe.runIf(hasTerminal)("on a terminal", () => {
  test("--watch draws one picture, in colour, that changes", async () => {
    const { broker, cli } = await brokerCli({ config });
    await broker.put("openai-codex:a");
    const env = { TERM: "xterm", ...cli.env };
    const running = await startOnTerminal([process.execPath, MAIN, "usage", "--watch"], { env });
    onTestFinished(async () => {
      running.kill("SIGTERM");
      await running.exited;
    });
    await until(() => running.stdout().includes("nothing read yet"));
    await reported(broker);
    await until(() => running.stdout().includes("\u001b[32m█"));
    expect(running.stdout()).toContain("\u001b[33m█");
    expect(running.stdout()).toContain("\u001b[2F\u001b[0J");
  });
});

test("a notice reaches the operator's program from a whole broker", async () => {
  const { broker } = await brokerCli({
    config: {
      notify: {
        command: [
          "sh",
          "-c",
          'cat > "$AUTH_BROKER_TEST_OUT.part"; mv "$AUTH_BROKER_TEST_OUT.part" "$AUTH_BROKER_TEST_OUT"',
        ],
      },
    },
    startMs: Date.now(),
  });
  const out = join(broker.home, "notice");
  process.env.AUTH_BROKER_TEST_OUT = out;
  onTestFinished(() => void delete process.env.AUTH_BROKER_TEST_OUT);
  await broker.put("openai-codex:a");
  await broker.fails("openai-codex", "OUTCOME_AUTH_PERMANENT");
  await broker.advance(2 * MINUTE);
  let text = "";
  while (text === "") text = await readFile(out, "utf8").catch(() => "");
  expect(JSON.parse(text)).toMatchObject({ kind: "LOGIN_REQUIRED", profile: "openai-codex:a" });
  expect(text).not.toContain("FAKE");
});
