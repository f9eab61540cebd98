import { describe, expect, it } from "vitest";
import { classified } from "../support/classified.ts";
import { SOME_DAY } from "../vectors/samples.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** What a message states, received at noon UTC on a Tuesday, 19 May 2026. */
const stated = (message: string, receivedAtMs = SOME_DAY) =>
  classified("own", { httpStatus: 429, body: { error: { message } }, receivedAtMs }).retryAtMs;
const waitOf = (message: string) => {
  const atMs = stated(message);
  return atMs === undefined ? undefined : atMs - SOME_DAY;
};
const utc = (day: number, hour = 0, minute = 0, second = 0) => Date.UTC(2026, 4, day, hour, minute, second);

describe("units of a wait", () => {
  it.each([
    ["ms", 1],
    ["millisecond", 1],
    ["milliseconds", 1],
    ["s", SECOND],
    ["sec", SECOND],
    ["secs", SECOND],
    ["second", SECOND],
    ["m", MINUTE],
    ["min", MINUTE],
    ["mins", MINUTE],
    ["minutes", MINUTE],
    ["h", HOUR],
    ["hr", HOUR],
    ["hrs", HOUR],
    ["hours", HOUR],
    ["d", DAY],
    ["days", DAY],
    ["w", 7 * DAY],
    ["week", 7 * DAY],
  ])("%s", (unit, ms) => {
    expect(waitOf(`try again in 1 ${unit}`)).toBe(ms);
    expect(waitOf(`try again in 1${unit.toUpperCase()}.`)).toBe(ms);
  });
  it.each(["x", "parsec", "year", ""])("%j is none", (unit) => {
    expect(waitOf(`try again in 5 ${unit}`)).toBeUndefined();
  });
});

describe("words before a moment", () => {
  it.each([
    "try again in",
    "Resets in",
    "will reset after",
    "retry in",
    "wait",
    "wait for about",
    "wait until the next reset in",
    "regain access in",
    "available in",
    "refreshes in",
    "limit renews in",
    "will be restored in",
    "come back in",
    "please wait at least another",
    "retry: approximately",
    "reset - in",
    "usage resets (in",
  ])("%s", (cue) => expect(waitOf(`Sorry, ${cue} 5 minutes`)).toBe(5 * MINUTE));

  it.each(["it took", "up to", "within", "again and some other words", "retrying in"])(
    "%j are none",
    (cue) => {
      expect(waitOf(`Sorry, ${cue} 5 minutes`)).toBeUndefined();
    },
  );

  it("a bare number is seconds only after Retry-After", () => {
    expect(waitOf("retry-after: 30")).toBe(30 * SECOND);
    expect(waitOf("retry-after 30")).toBe(30 * SECOND);
    expect(waitOf("retry after 30")).toBeUndefined();
    expect(waitOf("wait 30")).toBeUndefined();
  });

  it("the first wait counts, a moment beats a wait beside it", () => {
    expect(waitOf("try again in 5 minutes or try again in 9 minutes")).toBe(5 * MINUTE);
    expect(stated("resets in 2 hours, on 2026-05-19 at 14:30 UTC")).toBe(utc(19, 14, 30));
    expect(stated("wait 5 minutes. Your limit resets on 2026-05-20 at 00:00 UTC")).toBe(utc(20));
  });

  it("parts of a wait are added, whatever joins them", () => {
    expect(waitOf("resets in 1 day, 2 hours and 3 minutes")).toBe(DAY + 2 * HOUR + 3 * MINUTE);
    expect(waitOf("resets in 1d2h3m4.5s")).toBe(DAY + 2 * HOUR + 3 * MINUTE + 4_500);
    expect(waitOf("resets in an hour")).toBe(HOUR);
    expect(waitOf("resets in a minute")).toBe(MINUTE);
    expect(waitOf("resets in one week")).toBe(7 * DAY);
    expect(waitOf("resets in 5 minutes and try harder")).toBe(5 * MINUTE);
    expect(stated("resets Sept 1 UTC", Date.UTC(2026, 7, 30))).toBe(Date.UTC(2026, 8, 1));
  });
});

describe("clock times", () => {
  it.each([
    ["3pm (UTC)", utc(19, 15)],
    ["3 PM UTC", utc(19, 15)],
    ["12am UTC", utc(20)],
    ["12pm UTC", utc(19, 12)],
    ["12:30 am UTC", utc(20, 0, 30)],
    ["noon UTC", utc(19, 12)],
    ["midnight UTC", utc(20)],
    ["18:30:05 UTC", utc(19, 18, 30, 5)],
    ["18:30:05.9 UTC", utc(19, 18, 30, 5)],
    ["tomorrow at 9am UTC", utc(20, 9)],
    ["tomorrow at 3pm UTC", utc(20, 15)],
    ["tomorrow, 15:00 UTC", utc(20, 15)],
    ["11:51am UTC", undefined],
    ["11:49am UTC", utc(20, 11, 49)],
    ["7:5 UTC", undefined],
    ["24:00 UTC", undefined],
    ["10:60 UTC", undefined],
    ["123:00 UTC", undefined],
  ])("resets at %s", (time, atMs) => {
    // Noon itself is now, which nobody can wait for.
    expect(stated(`resets at ${time}`)).toBe(atMs === SOME_DAY ? undefined : atMs);
  });

  it.each([
    ["Z", 0],
    ["UTC", 0],
    ["GMT", 0],
    ["UTC+2", 2],
    ["GMT-3", -3],
    ["GMT+05:30", 5.5],
    ["GMT+0530", 5.5],
    ["+02:00", 2],
    ["PST", -8],
    ["PDT", -7],
    ["MST", -7],
    ["MDT", -6],
    ["CST", -6],
    ["CDT", -5],
    ["EST", -5],
    ["EDT", -4],
    ["PT", -7],
    ["ET", -4],
    ["BST", 1],
    ["CET", 1],
    ["CEST", 2],
    ["JST", 9],
    ["(Asia/Kolkata)", 5.5],
    ["America/New_York", -4],
  ])("2026-05-21 10:00 %s is so many hours from UTC", (zone, hours) => {
    expect(stated(`resets 2026-05-21 10:00${zone.startsWith("+") ? "" : " "}${zone}`)).toBe(
      utc(21, 10) - hours * HOUR,
    );
  });

  it("offsets beyond any zone's are none", () => {
    expect(stated("resets 2026-05-21 10:00 UTC+14")).toBe(utc(20, 20));
    expect(stated("resets 2026-05-21 10:00 UTC+15")).toBe(utc(21, 10));
  });
});

describe("dates", () => {
  it.each([
    ["2026-05-21", utc(21)],
    ["2026-05-21 at 10:00 UTC", utc(21, 10)],
    ["2026-05-21T10:00:30Z", utc(21, 10, 0, 30)],
    ["May 21, 10:00 UTC", utc(21, 10)],
    ["May 21st at 10am UTC", utc(21, 10)],
    ["May 22nd, 2026 at 10am UTC", utc(22, 10)],
    ["May 23rd 10am UTC", utc(23, 10)],
    ["21 May 2026 10:00 UTC", utc(21, 10)],
    ["21st of May at 10:00 UTC", utc(21, 10)],
    ["May 24th UTC", utc(24)],
    ["2026-13-01 UTC", undefined],
    ["2026-05-32 UTC", undefined],
    ["2026-00-10 UTC", undefined],
    ["May 0 UTC", undefined],
    ["May 321 UTC", undefined],
    ["May 21, 2020 10:00 UTC", undefined],
    ["May 12, 10:00 UTC", undefined],
    ["1779280000", 1_779_280_000_000],
    ["1779280000123", 1_779_280_000_123],
    ["177928000", undefined],
  ])("resets on %s", (date, atMs) => {
    const isLocal = date === "2026-05-21";
    // Bare dates are the later of this machine's day and UTC's.
    const expected = isLocal ? Math.max(utc(21), new Date(2026, 4, 21).getTime()) : atMs;
    expect(stated(`resets on ${date}`)).toBe(expected);
  });

  it.each(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])(
    "the month %s is known short and long",
    (month) => {
      const at = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"].indexOf(
        month,
      );
      const expected = Date.UTC(2026, at, 12);
      const long = new Intl.DateTimeFormat("en-US", { month: "long", timeZone: "UTC" }).format(expected);
      const before = expected - 2 * DAY;
      expect(stated(`resets ${month} 12, 2026 UTC`, before)).toBe(expected);
      expect(stated(`resets ${long} 12, 2026 UTC`, before)).toBe(expected);
    },
  );

  it("without a year are the next of that name", () => {
    const newYear = Date.UTC(2026, 11, 31, 12);
    expect(stated("resets Jan 2 at 00:00 UTC", newYear)).toBe(Date.UTC(2027, 0, 2));
    expect(stated("resets Dec 31 at 18:00 UTC", newYear)).toBe(Date.UTC(2026, 11, 31, 18));
  });

  it.each(["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"])("%s is the next one", (day) => {
    const now = new Date(2026, 4, 19, 12).getTime();
    const atMs = stated(`resets ${day} 1:00 PM`, now) ?? 0;
    const found = new Date(atMs);
    expect(["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][found.getDay()]).toBe(day);
    expect(found.getHours()).toBe(13);
    expect(atMs - now).toBeLessThanOrEqual(7 * DAY);
    const long = `${found.toLocaleDateString("en-US", { weekday: "long" })} at 1:00 PM`;
    expect(stated(`resets ${long}`, now)).toBe(atMs);
  });
});

describe("what no calendar or clock shows is no moment", () => {
  it.each([
    ["2026-05-32 10:00 UTC", "2026-05-30"],
    ["2026-06-00 10:00 UTC", "2026-05-30"],
    ["2026-13-02 10:00 UTC", "2026-12-30"],
    ["2026-00-10 10:00 UTC", "2025-12-05"],
    ["2026/05/21 10:00 UTC", "2026-05-19"],
    ["2026-05/21 10:00 UTC", "2026-05-19"],
    ["20260-05-21 10:00 UTC", "2026-05-19"],
    ["2026-05-19 24:30 UTC", "2026-05-19"],
    ["2026-05-19 20:60 UTC", "2026-05-19"],
    ["2026-05-19 20:30:61 UTC", "2026-05-19"],
    ["sunny 1:00 PM UTC", "2026-05-19"],
    ["May 210 UTC", "2026-05-19"],
    ["Mayflower 21 10:00 UTC", "2026-05-19"],
    ["ma 21 10:00 UTC", "2026-05-19"],
  ])("%s", (text, day) => {
    expect(stated(`resets ${text}`, Date.parse(`${day}T12:00:00Z`))).toBeUndefined();
  });

  it.each([
    ["2026-05-19 23:30 UTC", utc(19, 23, 30)],
    ["2026-05-19 20:59 UTC", utc(19, 20, 59)],
    ["2026-05-19 20:30:60 UTC", utc(19, 20, 31)],
    ["2026-05-31 10:00 UTC", undefined],
    ["noon PST", utc(19, 20)],
    ["Tue noon PDT", utc(19, 19)],
  ])("%s is one", (text, atMs) => {
    expect(stated(`resets ${text}`)).toBe(atMs);
  });
});

describe("compact durations of headers", () => {
  const wait = (value: string) => {
    const headers = { "retry-after": value };
    const { retryAtMs } = classified("own", { httpStatus: 429, headers });
    return retryAtMs === undefined ? undefined : retryAtMs - SOME_DAY;
  };
  it.each([
    ["6m0s", 6 * MINUTE],
    ["12ms", 12],
    ["1h2m3.5s", HOUR + 2 * MINUTE + 3_500],
    ["1D", DAY],
    ["1w", 7 * DAY],
    ["5000000us", 5 * SECOND],
    ["5000000µs", 5 * SECOND],
    ["5000000000ns", 5 * SECOND],
    [" 5s ", 5 * SECOND],
    ["5 s", undefined],
    ["s", undefined],
    ["5x", undefined],
    ["5s!", undefined],
    [".5s", undefined],
    [`${"0".repeat(47)}5s`, undefined],
    [`${"0".repeat(46)}5s`, 5 * SECOND],
  ])("%j", (value, ms) => expect(wait(value)).toBe(ms));
});
