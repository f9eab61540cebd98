import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Request } from "../../src/domain/candidate.ts";
import { agentPolicy } from "../../src/endpoint/policy.ts";
import { entranceOf } from "../../src/rpc/entrance.ts";
import { HOUR, MINUTE, SECOND } from "../support/broker-world.ts";
import { ManualClock } from "../support/clock.ts";
import { ownDirectory } from "../support/endpoint-fixture.ts";

const REQUEST: Request = {
  provider: "p",
  model: "",
  sessionId: "",
  pool: "",
  kinds: [],
  minValidForMs: 0,
  profile: "",
  excludeProfiles: [],
};

/** An endpoint that asks a program which ends with that script, and how often it was asked. */
function asking(answer: string, rememberMs = 0) {
  const asked = join(ownDirectory(), "asked");
  const command = ["/bin/sh", "-c", `cat >> "$0"; ${answer}`, asked];
  const policy = { ...agentPolicy(1000), confirm: { command, timeoutMs: 5 * SECOND, rememberMs } };
  const clock = new ManualClock({ wallMs: 0 });
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const { confirmFor } = entranceOf(policy, clock, log);
  /** Whether a program (its path and inode) of a user got a yes. */
  const ask = (path: string, inode: number, { provider = "p", uid = 1000 } = {}): Promise<boolean> => {
    const program = { start: "1", executable: { device: 1, inode, path } };
    const confirm = confirmFor?.({ endpoint: "agent", number: 1, uid, pid: 1, program });
    const answered = confirm?.({ ...REQUEST, provider }, { signal: new AbortController().signal });
    return (answered ?? Promise.resolve()).then(
      () => true,
      () => false,
    );
  };
  const questions = () => readFileSync(asked, "utf8").split("\n").length - 1;
  return { ask, clock, questions };
}

test("a no holds for a minute for the user, whichever program asks for whichever provider", async () => {
  const { ask, clock, questions } = asking("exit 1");
  // Those that wait for their turn are answered by it, too.
  await Promise.all([ask("/a", 1), ask("/b", 2), ask("/a", 1, { provider: "q" })]);
  expect(questions()).toBe(1);
  await clock.advance(MINUTE - 1);
  expect(await ask("/c", 3)).toBe(false);
  expect(await ask("/a", 1, { provider: "r" })).toBe(false);
  expect(questions()).toBe(1);
  await ask("/a", 1, { uid: 1001 });
  expect(questions()).toBe(2);
  await clock.advance(1);
  await ask("/c", 3);
  expect(questions()).toBe(3);
});

test("a remembered yes is for the file, whatever its path is", async () => {
  const { ask, questions } = asking("exit 0", MINUTE);
  expect(await ask("/a", 1)).toBe(true);
  expect(await ask("/a (moved)", 1)).toBe(true);
  expect(questions()).toBe(1);
  expect(await ask("/a", 2)).toBe(true);
  expect(questions()).toBe(2);
});

test("a no holds for what has a remembered yes, too", async () => {
  const { ask, clock, questions } = asking('test "$(wc -l < "$0")" = 1', HOUR);
  expect(await ask("/a", 1)).toBe(true);
  expect(await ask("/b", 2)).toBe(false);
  expect(await ask("/a", 1)).toBe(false);
  await clock.advance(MINUTE);
  expect(await ask("/a", 1)).toBe(true);
  expect(questions()).toBe(2);
});
