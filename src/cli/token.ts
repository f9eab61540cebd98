import type { Command } from "commander";
import type { Message } from "../rpc/schema.ts";
import { dial, type Line } from "./call.ts";
import { grantedOf, secretOf } from "./granted.ts";
import { durationMs, requestOf, type Wishes, waitOption, wishOptions } from "./options.ts";
import { print } from "./output.ts";

interface TokenWishes extends Wishes {
  readonly refusedIfWithin?: number;
}

const EXAMPLE = `
Prints the token (or the API key) and a newline, nothing else. --json changes errors only.

With --refused-if-within, being asked again within that time by the same parent process is taken to
mean that the token was refused: one refresh is then forced, at most one a minute. Nothing is held
against the profile.

An endpoint with "token": false in config.json refuses it (exit 77).

Example:
  $ auth-broker token openai-codex --refused-if-within 10s`;

export function defineToken(command: Command): void {
  waitOption(wishOptions(command.argument("<provider>", "such as openai-codex")))
    .option("--refused-if-within <duration>", "asked again within this time, force one refresh", durationMs)
    .addHelpText("after", EXAMPLE)
    .action(async (provider: string, wishes: TokenWishes) => {
      using line = await dial("credential");
      const request = { ...requestOf(provider, wishes), bareToken: true };
      const ask = () => line.call("AcquireCredential", request, wishes.maxWait);
      const { refusedIfWithin } = wishes;
      const answer =
        refusedIfWithin === undefined
          ? await ask()
          : await unrefused(line, request, await ask(), refusedIfWithin);
      print(secretOf(grantedOf(answer)));
    });
}

/** The answer, or a newer one if the same parent was given this very token a moment ago. */
async function unrefused(line: Line, request: Message, answer: Message, withinMs: number): Promise<Message> {
  const { recall, remember } = await import("./token-memory.ts");
  const nowMs = Date.now();
  const { lease } = grantedOf(answer);
  const before = recall(request);
  const isAgain =
    before !== undefined &&
    before.profile === lease.profile &&
    before.generation === lease.generation &&
    isWithin(before.atMs, withinMs, nowMs);
  const mayForce = before?.forcedAtMs === undefined || !isWithin(before.forcedAtMs, FORCED_EVERY_MS, nowMs);
  const forces = isAgain && mayForce;
  const given = forces ? await forced(line, request, answer) : answer;
  const { profile, generation } = grantedOf(given).lease;
  const forcedAtMs = forces ? nowMs : before?.forcedAtMs;
  remember(request, { profile, generation, atMs: nowMs, ...(forcedAtMs !== undefined && { forcedAtMs }) });
  return given;
}

const FORCED_EVERY_MS = 60_000;

/** A clock that was set back leaves moments in the future, which count as long ago. */
function isWithin(atMs: number, withinMs: number, nowMs: number): boolean {
  return atMs <= nowMs && nowMs - atMs < withinMs;
}

/**
 * The same profile's next generation. Pinned, because a strategy may choose another the second time;
 * without it the first answer is still the best there is.
 */
async function forced(line: Line, request: Message, answer: Message): Promise<Message> {
  const { leaseId, profile, generation } = grantedOf(answer).lease;
  try {
    // A trial is held by one lease at a time.
    await line.call("ReleaseLease", { leaseId });
    return await line.call("AcquireCredential", { ...request, profile, suspectGeneration: generation });
  } catch {
    return answer;
  }
}
