import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { answerOf } from "../../src/codex/outcome.ts";
import { findRollout, readRollout } from "../../src/codex/rollout.ts";

const SINCE = new Date("2030-01-01T12:00:00.000Z");
const ID = "01a214d3-6179-7900-ba54-1880e53feaa2";

/** A line of a rollout, so many seconds after the start of the run. */
function line(second: number, type: string, payload: object): string {
  return JSON.stringify({
    timestamp: new Date(SINCE.getTime() + second * 1000).toISOString(),
    type,
    payload,
  });
}
const event = (second: number, type: string, rest: object = {}) =>
  line(second, "event_msg", { type, ...rest });
const prompt = (second: number, text: string) =>
  event(second, "item_completed", { item: { type: "UserMessage", content: [{ type: "text", text }] } });
const limits = (second: number, usedPercent: number) =>
  event(second, "token_count", {
    rate_limits: {
      primary: { used_percent: usedPercent, window_minutes: 300, resets_at: 1_900_000_000 },
      secondary: null,
    },
  });
const over = (second: number, info?: unknown) =>
  event(
    second,
    "task_complete",
    info === undefined ? {} : { error: { message: "No.", codex_error_info: info } },
  );

async function home(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "rollout-"));
  onTestFinished(() => rm(made, { recursive: true }));
  return made;
}

async function read(...lines: readonly string[]) {
  const path = join(await home(), "rollout.jsonl");
  await writeFile(path, lines.join("\n"));
  return readRollout(path, SINCE);
}

test("only what happened in this run counts", async () => {
  const turn = await read(
    over(-2, "usage_limit_exceeded"),
    limits(-2, 100),
    event(1, "task_started"),
    limits(2, 40),
    over(3),
  );
  expect(turn).toEqual({
    prompt: "",
    isOver: true,
    windows: { primary: { usedPercent: 40, windowMinutes: 300, resetsAtSec: 1_900_000_000 } },
  });
});

test("a turn that begins forgets how the one before it ended", async () => {
  const turn = await read(
    prompt(1, "one"),
    over(2, "usage_limit_exceeded"),
    event(3, "task_started"),
    prompt(3, "two"),
  );
  expect(turn).toEqual({ prompt: "two", isOver: false, windows: {} });
});

test("a code may stand alone or be the key of an object with the status", async () => {
  expect((await read(over(1, "usage_limit_exceeded"))).error).toEqual({
    code: "usage_limit_exceeded",
    message: "No.",
  });
  expect((await read(over(1, { response_stream_disconnected: { http_status_code: 502 } }))).error).toEqual({
    ...{ code: "response_stream_disconnected", message: "No.", httpStatus: 502 },
  });
});

test("the model is the one of the last turn, and a line that was cut does no harm", async () => {
  const turn = await read(
    line(1, "turn_context", { model: "gpt-5.4" }),
    over(2),
    '{"timestamp":"task_complete',
  );
  expect(turn).toMatchObject({ model: "gpt-5.4", isOver: true });
});

test("a rollout is found by the id of its thread, whatever its day", async () => {
  const user = await home();
  const day = join(user, "sessions/2029/12/31");
  await mkdir(day, { recursive: true });
  await mkdir(join(user, "sessions/2030/01/01"), { recursive: true });
  const path = join(day, `rollout-2029-12-31T23-59-59-${ID}.jsonl`);
  await writeFile(path, "");
  expect(findRollout(user, ID)).toBe(path);
  expect(findRollout(user, ID.replace("0", "f"))).toBeUndefined();
  expect(findRollout(join(user, "nowhere"), ID)).toBeUndefined();
});

test("a limit is told to the broker as the provider's answer, with its windows", async () => {
  const answer = answerOf(await read(limits(1, 100), over(2, "usage_limit_exceeded")));
  expect(answer).toMatchObject({
    httpStatus: 429,
    headers: { "x-codex-primary-used-percent": 100, "x-codex-primary-reset-at": 1_900_000_000 },
  });
});

test("a good turn brings its windows; a turn that did not end, or failed on our side, says nothing", async () => {
  expect(answerOf(await read(limits(1, 7), over(2)))).toMatchObject({
    httpStatus: 200,
    headers: { "x-codex-primary-used-percent": 7 },
  });
  expect(answerOf(await read(limits(1, 7)))).toBeUndefined();
  expect(answerOf(await read(over(1, "bad_request")))).toBeUndefined();
});
