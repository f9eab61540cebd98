import { spawnSync } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Notice } from "../../src/domain/notice.ts";
import { createNotifier, hasDesktop, type Notifier, type NotifierOptions } from "../../src/notify.ts";
import { until } from "../support/until.ts";

const NOTICE: Notice = {
  kind: "LOGIN_REQUIRED",
  provider: "openai-codex",
  profile: "openai-codex:a",
  message: "openai-codex:a needs a new login",
  help: "auth-broker login openai-codex --label a",
};

let place: string;
let notifier: Notifier;
const warnings: string[] = [];

beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), "notify-"));
  warnings.length = 0;
});
afterEach(async () => {
  notifier.stop();
  await rm(place, { recursive: true, force: true });
});

function start(options: Partial<NotifierOptions>): void {
  notifier = createNotifier({ desktop: false, warn: (message) => warnings.push(message), ...options });
}

/** A shell program of this test; `$OUT` is the file that it may write. */
const shell = (script: string) => ["sh", "-c", script.replaceAll("$OUT", join(place, "out"))];
const written = () => readFile(join(place, "out"), "utf8").catch(() => "");

/** Also true for one that nobody has waited for yet. */
function hasEnded(pid: string): boolean {
  const { stdout } = spawnSync("ps", ["-o", "stat=", "-p", pid], { encoding: "utf8" });
  return stdout.trim() === "" || stdout.startsWith("Z");
}

async function untilWritten(fits: (text: string) => boolean): Promise<string> {
  let text = "";
  for (text = await written(); !fits(text); text = await written());
  return text;
}

describe("the operator's program", () => {
  test("reads each notice as one JSON object, one after the other", async () => {
    start({ command: shell("cat >> $OUT") });
    notifier.tell(NOTICE);
    notifier.tell({ ...NOTICE, kind: "LIMIT_NEAR", untilMs: 0 });
    const lines = (await untilWritten((text) => text.split("\n").length === 3)).trim().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { ...NOTICE, untilTime: null },
      { ...NOTICE, kind: "LIMIT_NEAR", untilTime: "1970-01-01T00:00:00.000Z" },
    ]);
    expect(warnings).toEqual([]);
  });

  test("that hangs is ended with what it started, and the next notice is told", async () => {
    start({
      command: shell(
        "if [ -e $OUT ]; then echo second >> $OUT; else sleep 600 & echo $! > $OUT; sleep 600; fi",
      ),
      longestRunMs: 200,
    });
    notifier.tell(NOTICE);
    notifier.tell(NOTICE);
    const text = await untilWritten((out) => out.includes("second"));
    const [grandchild = ""] = text.split("\n");
    await until(() => hasEnded(grandchild));
    expect(warnings).toEqual([expect.stringContaining("was ended after")]);
  });

  test("that is not there, or fails, is named once and stops nothing", async () => {
    start({ command: ["/nowhere/at-all"] });
    notifier.tell(NOTICE);
    notifier.tell(NOTICE);
    await until(() => warnings.length > 0);
    expect(warnings).toEqual([expect.stringContaining("cannot be run (ENOENT)")]);
    notifier.stop();
    start({ command: shell("exit 3") });
    notifier.tell(NOTICE);
    await until(() => warnings.length > 1);
    expect(warnings[1]).toContain("ended with 3");
  });

  test("whose start throws is named too, and the next one is tried", async () => {
    start({ command: ["sh", "x".repeat(3_000_000)] });
    notifier.tell(NOTICE);
    notifier.tell(NOTICE);
    expect(warnings).toEqual([expect.stringContaining("cannot be run (E2BIG)")]);
  });

  test("that reads nothing harms nobody", async () => {
    start({ command: shell("exec <&-; echo done > $OUT") });
    for (let i = 0; i < 3; i += 1) notifier.tell({ ...NOTICE, message: "x".repeat(1_000_000) });
    await untilWritten((text) => text.includes("done"));
  });

  test("is not run for more than a few that wait, the newest of them", async () => {
    start({ command: shell('read line; echo "$line" >> $OUT') });
    for (let i = 0; i < 100; i += 1) notifier.tell({ ...NOTICE, message: `no ${i}` });
    const text = await untilWritten((out) => out.includes("no 99"));
    expect(text.trim().split("\n").length).toBeLessThanOrEqual(17);
  });

  test("is ended when the broker stops, and nothing is told any more", async () => {
    start({ command: shell("echo $$ > $OUT; sleep 600") });
    notifier.tell(NOTICE);
    const pid = (await untilWritten((text) => text.endsWith("\n"))).trim();
    notifier.stop();
    notifier.tell(NOTICE);
    await until(() => hasEnded(pid));
    expect(warnings).toEqual([]);
  });
});

describe("the desktop", () => {
  test.each([
    [
      "linux",
      "notify-send",
      "--app-name=auth-broker\n--\nauth-broker\na &lt;b&gt; &amp; c: auth-broker usage\n",
    ],
    ["darwin", "osascript", expect.stringContaining("end run\na <b> & c: auth-broker usage\n")],
  ] as const)("%s: %s gets the text as arguments, harmless", async (platform, tool, expected) => {
    const path = join(place, tool);
    await writeFile(
      path,
      `#!/bin/sh\nfor one in "$@"; do echo "$one"; done > ${join(place, "part")}\nmv ${join(place, "part")} ${join(place, "out")}\n`,
    );
    await chmod(path, 0o755);
    const before = process.env.PATH;
    process.env.PATH = `${place}:${before}`;
    try {
      start({ desktop: true, platform });
      notifier.tell({ ...NOTICE, message: "a <b> & c", help: "auth-broker usage" });
      expect(await untilWritten((text) => text !== "")).toEqual(expected);
    } finally {
      process.env.PATH = before;
    }
  });

  test("is there in a graphical session only", () => {
    expect(hasDesktop({}, "linux")).toBe(false);
    expect(hasDesktop({ DISPLAY: ":0" }, "linux")).toBe(true);
    expect(hasDesktop({ WAYLAND_DISPLAY: "wayland-0" }, "linux")).toBe(true);
    expect(hasDesktop({}, "darwin")).toBe(true);
    expect(hasDesktop({ DISPLAY: ":0" }, "win32")).toBe(false);
  });
});
