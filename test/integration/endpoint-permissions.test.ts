import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { compiled } from "../support/compiled.ts";
import { ownDirectory } from "../support/endpoint-fixture.ts";
import { start } from "../support/process.mjs";

const canTrace = spawnSync("strace", ["-e", "trace=none", "true"]).status === 0;
if (!canTrace) console.warn("strace is missing or may not trace: the socket's first moment is NOT tested");

describe.runIf(canTrace)("seen by strace, the socket", () => {
  test("is never open to others: bound under umask 0177, never chmodded, then renamed", async () => {
    const program = await compiled("test/support/endpoint-program.ts");
    onTestFinished(program.remove);
    const directory = ownDirectory();
    const path = join(directory, "agent.sock");
    const trace = join(directory, "trace");
    const calls = "trace=bind,umask,chmod,fchmod,fchmodat,rename,renameat,renameat2,unlink,unlinkat";
    const child = await start(
      "strace",
      ["-f", "-o", trace, "-e", calls, process.execPath, program.file, "serve", path, "A"],
      { keepStdin: true },
    );
    await child.line(/^listening$/);
    child.send("stop");
    await child.exited;

    const lines = readFileSync(trace, "utf8").split("\n");
    const story = lines.filter((line) => line.includes("umask(") || line.includes(directory));
    const bind = story.findIndex((line) => line.includes("bind("));
    const bound = /sun_path="([^"]+)"/.exec(story[bind] ?? "")?.[1] ?? "";
    expect(bound).not.toBe(path);
    expect(story[bind - 1]).toMatch(/umask\(0177\)/);
    expect(story[bind + 1]).toMatch(/umask\(0\d+\)\s+= 0177/);
    expect(story[bind + 2]).toContain(`rename("${bound}", "${path}")`);
    expect(story.filter((line) => line.includes("chmod"))).toEqual([]);
    // One removal by our own hand, and libuv's by the private name, which no longer exists.
    const removals = lines.filter((line) => line.includes("unlink") && line.includes(directory));
    expect(removals).toHaveLength(2);
    expect(removals[0]).toMatch(new RegExp(`"${path}"\\)\\s+= 0`));
    expect(removals[1]).toMatch(new RegExp(`"${bound}"\\)\\s+= -1 ENOENT`));
  });
});
