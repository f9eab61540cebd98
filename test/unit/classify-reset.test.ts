import { isMainThread } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { classifyFor } from "../../src/provider/classify.ts";
import { LIMITS, SOME_DAY } from "../vectors/samples.ts";

const SECOND = 1_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const epoch = (afterMs: number) => (SOME_DAY + afterMs) / SECOND;
const iso = (afterMs: number) => new Date(SOME_DAY + afterMs).toISOString();
/** The instant of a wall clock of this machine. */
const local = (month: number, day: number, hour: number, minute: number) =>
  new Date(2026, month - 1, day, hour, minute).getTime();

interface Answer {
  readonly provider?: string;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly receivedAtMs?: number;
}

function stated({
  provider = "openai-codex",
  status = 429,
  headers = {},
  body = "",
  receivedAtMs = SOME_DAY,
}: Answer) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return classifyFor(provider)(
    {
      source: "MODEL_API",
      httpStatus: status,
      headers,
      body: text,
      transportError: "",
      receivedAtMs,
      model: "some-model",
    },
    LIMITS,
  ).retryAtMs;
}
const limit = (fields: object) => ({ error: { type: "usage_limit_reached", message: "", ...fields } });
const waitOf = (answer: Answer) => {
  const atMs = stated(answer);
  return atMs === undefined ? undefined : atMs - SOME_DAY;
};

describe("the moment of a reset", () => {
  const all = {
    headers: {
      "x-codex-primary-used-percent": "100",
      "x-codex-primary-reset-at": String(epoch(2 * HOUR)),
      "retry-after": "300",
    },
    body: limit({ resets_at: epoch(HOUR), resets_in_seconds: 1_200, message: "Try again in 3 hours." }),
  };

  it("is the body's moment before the header's, the body's wait, the header's wait and the text", () => {
    expect(waitOf(all)).toBe(HOUR);
    const noBodyMoment = {
      ...all,
      body: limit({ resets_in_seconds: 1_200, message: "Try again in 3 hours." }),
    };
    expect(waitOf(noBodyMoment)).toBe(2 * HOUR);
    const onlyWaits = { ...noBodyMoment, headers: { "retry-after": "300" } };
    expect(waitOf(onlyWaits)).toBe(1_200 * SECOND);
    const noBodyWait = { ...onlyWaits, body: limit({ message: "Try again in 3 hours." }) };
    expect(waitOf(noBodyWait)).toBe(300 * SECOND);
    expect(waitOf({ ...noBodyWait, headers: {} })).toBe(3 * HOUR);
  });

  it.each([0, -5, "", "NaN", null, epoch(-HOUR), epoch(9 * DAY), 1e300, {}, [], true])(
    "passes over %j and takes the next one",
    (value) => {
      expect(waitOf({ headers: { "retry-after": "300" }, body: limit({ resets_at: value }) })).toBe(
        300 * SECOND,
      );
      expect(waitOf({ body: limit({ resets_at: value }) })).toBeUndefined();
    },
  );

  it.each([epoch(HOUR), String(epoch(HOUR)), SOME_DAY + HOUR, String(SOME_DAY + HOUR), iso(HOUR)])(
    "may be written as %j",
    (value) => expect(waitOf({ body: limit({ resets_at: value }) })).toBe(HOUR),
  );

  it("is the last of several used-up windows, also when the body names the first", () => {
    const headers = {
      "x-codex-primary-used-percent": "100",
      "x-codex-primary-reset-at": String(epoch(HOUR)),
      "x-codex-secondary-used-percent": "100",
      "x-codex-secondary-reset-at": String(epoch(3 * DAY)),
    };
    expect(waitOf({ headers })).toBe(3 * DAY);
    expect(waitOf({ headers, body: limit({ resets_at: epoch(HOUR) }) })).toBe(3 * DAY);
  });

  it("is not that of a window with room", () => {
    const headers = {
      "x-codex-primary-used-percent": "100",
      "x-codex-primary-reset-at": String(epoch(HOUR)),
      "x-codex-secondary-used-percent": "80",
      "x-codex-secondary-reset-at": String(epoch(3 * DAY)),
    };
    expect(waitOf({ headers })).toBe(HOUR);
  });

  it("is read on the server's clock when ours makes it implausible", () => {
    const headers = { date: "Tue, 19 May 2026 06:00:00 GMT" };
    const body = limit({ resets_at: epoch(-5 * HOUR) });
    expect(waitOf({ headers, body })).toBe(HOUR);
  });
});

describe("Retry-After", () => {
  it.each([
    ["30", 30],
    ["1.5", 2],
    ["30s", 30],
    ["Tue, 19 May 2026 12:05:00 GMT", 300],
    ["Tuesday, 19-May-26 12:05:00 GMT", 300],
    ["Tue May 19 12:05:00 2026", 300],
    ["0", undefined],
    ["-5", undefined],
    ["soon", undefined],
    ["", undefined],
    ["99999999999", undefined],
    ["Tue, 19 May 2020 12:05:00 GMT", undefined],
  ])("%j means %j seconds", (value, seconds) => {
    expect(waitOf({ provider: "own", headers: { "retry-after": value } })).toBe(
      seconds === undefined ? undefined : seconds * SECOND,
    );
  });

  it.each([
    ["1500", "9", 1_500],
    ["999999", "2", 2_000],
    ["0", "9", 9_000],
    ["0", "0", undefined],
  ])("with milliseconds %j and seconds %j means %j ms", (ms, seconds, expected) => {
    const headers = { "retry-after-ms": ms, "retry-after": seconds };
    expect(waitOf({ provider: "openai-api", headers })).toBe(expected);
  });
});

describe("waits in a message", () => {
  it.each([
    ["Please try again in 2 days 3 hours.", 2 * DAY + 3 * HOUR],
    ["try again in 2 days, 3 hours and 5 minutes", 2 * DAY + 3 * HOUR + 300 * SECOND],
    ["Your quota will reset after 25h20m26s.", 25 * HOUR + 20 * 60_000 + 26_000],
    ["Please wait 11 hours 11 minutes before trying again.", 11 * HOUR + 11 * 60_000],
    ["Please try again in 14.036s. Visit the page in 5 days.", 14_036],
    ["Please retry after 45 seconds", 45_000],
    ["Please try again in an hour", HOUR],
    ["Retry-After: 30", 30_000],
    ["Try again in ~90 min.", 90 * 60_000],
    ["Retrying in 1 seconds (attempt 1/10)", undefined],
    ["the request took 30 seconds", undefined],
    ["stream closed; retrying 1/5 in 195ms", undefined],
    ["Please try again later. Your plan renews after payment of 5 dollars", undefined],
  ])("%j", (message, waitMs) => {
    expect(waitOf({ provider: "own", body: { error: { message } } })).toBe(waitMs);
  });
});

describe("moments in a message", () => {
  const near = Date.UTC(2026, 4, 19, 12);
  it.each([
    ["Next reset in 5 days, May 23 at 10:43 PM GMT+1.", Date.UTC(2026, 4, 23, 21, 43)],
    ["usage limit reached|1779195600", 1_779_195_600_000],
    ["resets 4:50am (Europe/Rome)", Date.UTC(2026, 4, 20, 2, 50)],
    ["resets May 23, 1pm (America/Los_Angeles)", Date.UTC(2026, 4, 23, 20)],
    ["You will regain access on 2026-05-21 at 00:00 UTC.", Date.UTC(2026, 4, 21)],
    ["try again at 2026-05-20T09:06:26Z", Date.UTC(2026, 4, 20, 9, 6, 26)],
    ["try again at 2026-05-20T09:06:26+02:00", Date.UTC(2026, 4, 20, 7, 6, 26)],
    ["try again at May 25th, 2026 2:14 AM.", local(5, 25, 2, 14)],
    ["wait for your limit to reset on May 25, 2026 at 2:00 AM or switch", local(5, 25, 2, 0)],
    ["resets on 21 May at 18:30 UTC", Date.UTC(2026, 4, 21, 18, 30)],
    ["resets at midnight UTC", Date.UTC(2026, 4, 20)],
    ["resets 3am (UTC)", Date.UTC(2026, 4, 20, 3)],
    ["resets at 3pm PST", Date.UTC(2026, 4, 19, 23)],
    ["resets 4:50am (Europe/Nowhere)", undefined],
    ["resets 29:99", undefined],
    ["resets on Smarch 13 at 10:00", undefined],
    ["resets at 5", undefined],
  ])("%j", (message, atMs) => {
    expect(stated({ provider: "own", body: { error: { message } } })).toBe(atMs);
  });

  it("without a zone is this machine's, and may be up to a minute later", () => {
    const body = { error: { message: "try again at 7:58 PM." } };
    const receivedAtMs = local(5, 19, 12, 0);
    expect(stated({ provider: "own", body, receivedAtMs })).toBe(local(5, 19, 19, 59));
  });

  it("that has just passed is not tomorrow's", () => {
    const body = { error: { message: "resets 11:55am (UTC)" } };
    expect(stated({ provider: "own", body, receivedAtMs: near })).toBeUndefined();
    expect(stated({ provider: "own", body, receivedAtMs: near + HOUR })).toBe(Date.UTC(2026, 4, 20, 11, 55));
  });

  it("is right on the day that summer time begins", () => {
    const body = { error: { message: "resets March 29 at 1:30am (Europe/Rome)" } };
    const receivedAtMs = Date.UTC(2026, 2, 28, 12);
    expect(stated({ provider: "own", body, receivedAtMs })).toBe(Date.UTC(2026, 2, 29, 0, 30));
  });

  // The zone of a thread is that of its process.
  const everyZone = isMainThread ? ["America/New_York", "Asia/Shanghai", "UTC"] : [];
  it.each(everyZone)("on a machine in %s", (zone) => {
    const { TZ } = process.env;
    try {
      process.env.TZ = zone;
      const bare = stated({ provider: "own", body: { error: { message: "reset at 2026-05-21 22:19:54" } } });
      const hours = zone === "America/New_York" ? 4 : 0;
      expect(bare).toBe(Date.UTC(2026, 4, 21, 22 + hours, 19, 54));
      const clock = stated({
        provider: "own",
        body: { error: { message: "try again at May 25th, 2026 2:14 AM." } },
      });
      expect(clock).toBe(new Date(2026, 4, 25, 2, 14).getTime());
    } finally {
      if (TZ === undefined) delete process.env.TZ;
      else process.env.TZ = TZ;
    }
  });

  it("of a bare server timestamp is the later of local time and UTC", () => {
    const body = { error: { message: "Your limit will reset at 2026-05-21 22:19:54" } };
    const expected = Math.max(Date.UTC(2026, 4, 21, 22, 19, 54), new Date(2026, 4, 21, 22, 19, 54).getTime());
    expect(stated({ provider: "own", body })).toBe(expected);
  });
});

describe("documented resets, where the answer itself does not say", () => {
  it("a Gemini quota per day ends at midnight on the Pacific coast", () => {
    const details = [
      { reason: "RATE_LIMIT_EXCEEDED", metadata: { quota_limit: "Gemini25ProRequestsPerDay" } },
    ];
    const body = { error: { code: 429, message: "Quota exceeded", status: "RESOURCE_EXHAUSTED", details } };
    expect(stated({ provider: "google-gemini-cli", body })).toBe(Date.UTC(2026, 4, 20, 7));
  });

  it("OpenRouter's free models return at midnight UTC", () => {
    const body = { error: { code: 429, message: "Rate limit exceeded: free-models-per-day." } };
    expect(stated({ provider: "openrouter", body })).toBe(Date.UTC(2026, 4, 20));
  });
});
