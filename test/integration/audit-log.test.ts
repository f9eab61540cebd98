import { appendFile, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { CURRENT } from "../../src/audit/files.ts";
import { followAudit } from "../../src/audit/follow.ts";
import { FIRST_LINK } from "../../src/audit/line.ts";
import { AuditLog, type AuditOptions } from "../../src/audit/log.ts";
import { readAudit, verifyAudit } from "../../src/audit/read.ts";
import type { Deed } from "../../src/broker/audit.ts";
import { ManualTimers } from "../support/manual-timer.ts";
import { mountDisk } from "../support/mount.ts";
import { until } from "../support/until.ts";

const AT = Date.UTC(2030, 0, 1, 12);
const deed = (n: number): Deed => ({ action: "acquire", outcome: "GRANTED", profile: `xai:p${n}` });

async function place(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "audit-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  return directory;
}

function opened(directory: string, more: Partial<AuditOptions> = {}) {
  const timers = new ManualTimers();
  const troubles: (string | undefined)[] = [];
  const log = new AuditLog({
    directory,
    fileBytes: 1024 * 1024,
    files: 3,
    timer: timers.start,
    wallMs: () => AT,
    onTrouble: (trouble) => troubles.push(trouble),
    ...more,
  });
  return { log, timers, troubles };
}

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds()));
}

async function linesIn(directory: string) {
  const lines = [];
  for await (const seen of readAudit(directory)) if (seen.kind === "line") lines.push(seen.line);
  return lines;
}

describe("the audit log", () => {
  test("writes what was noted with its timer, in one chain that goes on after a restart", async () => {
    const directory = await place();
    const first = opened(directory);
    first.log.note(deed(1), AT);
    first.log.note(deed(2), AT + 1);
    expect(await readdir(directory)).toEqual([]);
    first.timers.expire();
    await eventually(async () => (await linesIn(directory)).length === 2);
    await first.log.close();
    const second = opened(directory);
    second.log.note(deed(3), AT + 2);
    await second.log.close();
    expect((await linesIn(directory)).map((l) => [l.seq, l.profile])).toEqual([
      [1, "xai:p1"],
      [2, "xai:p2"],
      [3, "xai:p3"],
    ]);
    expect(await verifyAudit(directory)).toMatchObject({
      lines: 3,
      firstSeq: 1,
      breaks: [],
      isUnfinished: false,
    });
  });

  test("writes a refusal at once, the same one again with the timer, and counts what is the same", async () => {
    const directory = await place();
    const { log, timers } = opened(directory);
    const refused: Deed = { action: "connect", outcome: "CLIENT_FORBIDDEN" };
    log.note(refused, AT, true);
    await eventually(async () => (await linesIn(directory)).length === 1);
    for (let i = 0; i < 5; i += 1) log.note(refused, AT, true);
    log.note({ ...refused, action: "acquire" }, AT, true);
    await eventually(async () => (await linesIn(directory)).length >= 2);
    timers.expire();
    await log.close();
    const lines = (await linesIn(directory)).map((l) => [l.action, l.count ?? 1]);
    expect(lines.map(([, count]) => Number(count)).reduce((a, b) => a + b)).toBe(7);
    expect(lines.length).toBeLessThanOrEqual(3);
  });

  test.each([
    ["changed", (text: string) => text.replace("xai:p2", "xai:p9"), [{ line: 2, seq: 2, what: "changed" }]],
    ["removed", (text: string) => text.replace(/^.*"xai:p2".*\n/m, ""), [{ line: 2, seq: 3, what: "gap" }]],
    ["put in", (text: string) => text.replace("\n", "\n{}\n"), [{ line: 2, seq: 1, what: "unreadable" }]],
    [
      "put in again",
      (text: string) => text.replace(/^(.*"xai:p1".*\n)/m, "$1$1"),
      [{ line: 2, seq: 1, what: "gap" }],
    ],
    [
      "changed at the end",
      (text: string) => text.replace("xai:p4", "xai:p5"),
      [{ line: 4, seq: 4, what: "changed" }],
    ],
  ])("names a line that was %s", async (_how, edit, breaks) => {
    const directory = await place();
    const { log } = opened(directory);
    for (const n of [1, 2, 3, 4]) log.note(deed(n), AT);
    await log.close();
    const file = join(directory, CURRENT);
    await writeFile(file, edit(await readFile(file, "utf8")));
    expect((await verifyAudit(directory)).breaks).toMatchObject(breaks);
  });

  test("tells and heals a line that a crash cut off, at every byte of it", async () => {
    const directory = await place();
    const { log } = opened(directory);
    log.note(deed(1), AT);
    await log.close();
    const file = join(directory, CURRENT);
    const whole = await readFile(file);
    for (let bytes = 1; bytes < whole.length; bytes += 37) {
      await rm(file);
      await writeFile(file, whole);
      await appendFile(file, whole.subarray(0, bytes));
      expect(await verifyAudit(directory), `${bytes}`).toMatchObject({ breaks: [], isUnfinished: true });
      const next = opened(directory);
      next.log.note(deed(2), AT);
      await next.log.close();
      expect((await linesIn(directory)).map((l) => l.outcome)).toEqual([
        "GRANTED",
        "UNFINISHED_LINE_REMOVED",
        "GRANTED",
      ]);
      expect((await verifyAudit(directory)).breaks, `${bytes}`).toEqual([]);
    }
  });

  test("goes on after lines at the end that are damaged, says so, and the damage stays named", async () => {
    const directory = await place();
    const { log } = opened(directory);
    for (const n of [1, 2]) log.note(deed(n), AT);
    await log.close();
    const file = join(directory, CURRENT);
    await writeFile(file, (await readFile(file, "utf8")).replace("xai:p2", "xai:px"));
    const next = opened(directory);
    next.log.note(deed(3), AT);
    await next.log.close();
    expect((await linesIn(directory)).map((l) => l.outcome)).toEqual([
      "GRANTED",
      "DAMAGED_LINES_LEFT",
      "GRANTED",
    ]);
    expect((await verifyAudit(directory)).breaks).toMatchObject([
      { seq: 2, what: "changed" },
      { what: "gap" },
    ]);
  });

  test("begins a new file when one is full, keeps so many, and the chain goes through them", async () => {
    const directory = await place();
    const { log, timers } = opened(directory, { fileBytes: 2_000 });
    for (let n = 0; n < 60; n += 1) {
      log.note(deed(n), AT);
      timers.expire();
      await eventually(async () => (await linesIn(directory)).at(-1)?.seq === n + 1);
    }
    await log.close();
    const files = await readdir(directory);
    expect(files).toHaveLength(3);
    const found = await verifyAudit(directory);
    expect(found).toMatchObject({ files: 3, breaks: [] });
    expect(found.firstSeq).toBeGreaterThan(30);
    expect(found.last.seq).toBe(60);
    // What rotation closed cannot lose its end unnoticed.
    const [full = ""] = files.filter((name) => name !== CURRENT).sort();
    const text = await readFile(join(directory, full), "utf8");
    await truncate(join(directory, full), text.lastIndexOf("\n", text.length - 2) + 1);
    expect((await verifyAudit(directory)).breaks).toMatchObject([{ what: "gap" }]);
  });

  test("a full disk is told once, loses nothing that has room in memory, and ends by itself", async (context) => {
    const disk = await mountDisk(256 * 1024);
    if (disk === undefined) return context.skip("this process may not mount a tmpfs");
    onTestFinished(() => disk.unmount());
    const { log, timers, troubles } = opened(disk.path);
    log.note(deed(1), AT);
    timers.expire();
    await eventually(async () => (await linesIn(disk.path)).length === 1);
    const ballast = disk.fill();
    for (let n = 2; n < 400; n += 1) log.note(deed(n), AT);
    timers.expire();
    await until(() => troubles.length === 1);
    // The same again, while the first waits.
    log.note(deed(2), AT);
    expect(troubles).toEqual(["ENOSPC"]);
    expect((await verifyAudit(disk.path)).breaks).toEqual([]);
    await rm(ballast);
    timers.expire();
    await until(() => troubles.length === 2);
    expect(log.trouble).toBeUndefined();
    await log.close();
    expect(await verifyAudit(disk.path)).toMatchObject({ lines: 399, breaks: [] });
    expect((await linesIn(disk.path)).find((l) => l.profile === "xai:p2")?.count).toBe(2);
  });

  test("what has no room in memory either is counted, and the number written down", async () => {
    const directory = await place();
    const { log } = opened(directory);
    for (let n = 0; n < 10_005; n += 1) log.note(deed(n), AT);
    await log.close();
    expect((await linesIn(directory)).at(-1)).toMatchObject({ action: "audit", outcome: "LOST", count: 5 });
  });
});

test("whoever follows hears of a line that is none once, and of every line after it", async () => {
  const directory = await place();
  const write = async (...numbers: number[]) => {
    const { log } = opened(directory);
    for (const n of numbers) log.note(deed(n), AT, false);
    await log.close();
  };
  await write(1, 2);
  await appendFile(join(directory, CURRENT), "no line\n");
  await write(3);
  const end = new AbortController();
  const heard: string[] = [];
  for await (const seen of followAudit(directory, FIRST_LINK, end.signal)) {
    heard.push("what" in seen ? seen.what : (seen.profile ?? seen.outcome));
    // The second look begins after the bad line.
    if (heard.length === 5) await write(4);
    if (heard.at(-1) === "xai:p4") end.abort();
  }
  expect(heard).toEqual(["xai:p1", "xai:p2", "unreadable", "DAMAGED_LINES_LEFT", "xai:p3", "xai:p4"]);
});

test("a program that is refused again and again, each time as another process, fills no log", async () => {
  const directory = await place();
  const { log, timers } = opened(directory);
  for (let pid = 1; pid <= 1_000; pid += 1) {
    const actor = { endpoint: "ci", uid: 7, pid, program: "/bin/x" };
    log.note({ ...deed(0), outcome: "PERMISSION_DENIED", actor } as Deed, AT, true);
  }
  await eventually(async () => (await linesIn(directory)).length > 0);
  timers.expire();
  await log.close();
  const lines = await linesIn(directory);
  expect(lines.length).toBeLessThan(12);
  expect(lines.reduce((sum, { count = 1 }) => sum + count, 0)).toBe(1_000);
});

test("a link in its place is not followed: another file would be written to", async () => {
  const directory = await place();
  const other = join(await place(), "other");
  await writeFile(other, "not ours, and unfinished");
  await symlink(other, join(directory, CURRENT));
  const { log, timers, troubles } = opened(directory);
  log.note(deed(1), AT);
  timers.expire();
  await until(() => troubles.length > 0);
  await log.close();
  expect(await readFile(other, "utf8")).toBe("not ours, and unfinished");
});
