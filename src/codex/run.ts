import type { Acquired } from "../client/index.ts";
import { writeAuth } from "./auth-file.ts";
import { startChild } from "./child.ts";
import { keep } from "./keeper.ts";
import { report } from "./report.ts";
import type { Ending, RunSetting } from "./setting.ts";
import { watchThreads } from "./threads.ts";

/**
 * Runs Codex, reports what came of it, and goes on with the same thread and the next credential as long as
 * the broker has one, each profile once and once more with a token renewed because it was refused.
 * Gives the exit code of the last Codex.
 */
export async function runToTheEnd(granted: Acquired, setting: RunSetting): Promise<number> {
  const tried = new Map<string, number>();
  let { args } = setting;
  let input: string | undefined;
  for (;;) {
    tried.set(granted.lease.profile, granted.lease.generation);
    const ending = await runOnce(granted, args, input, setting);
    const mayTry = ({ lease }: Acquired) =>
      (tried.get(lease.profile) ?? -1) < lease.generation && tried.size < 64;
    const next = await report(ending, setting, mayTry);
    if (next === undefined) return ending.code;
    ({ args, input, granted } = next);
  }
}

async function runOnce(
  granted: Acquired,
  args: readonly string[],
  input: string | undefined,
  { broker, program, env, home, janitor, note, threadId }: RunSetting,
): Promise<Ending> {
  const write = (credential: Acquired["credential"]) => writeAuth(home, credential, new Date());
  write(granted.credential);
  const since = new Date();
  const threads = watchThreads(home);
  const troubles: unknown[] = [];
  try {
    const child = await startChild(program, args, { env, input });
    janitor.watches(child.pid);
    threads.follows(child.pid);
    const keeper = keep(broker, granted, write, (error) => void troubles.push(error));
    const code = await child.ended;
    janitor.watches(undefined);
    keeper.stop();
    const seen = threads.stop();
    return {
      code,
      since,
      granted: keeper.current(),
      threads: seen.length > 0 || !threadId ? seen : [threadId],
    };
  } finally {
    threads.stop();
    // Codex may have had the screen to itself until now.
    for (const error of troubles) note(`the credential was not kept fresh: ${(error as Error).message}`);
  }
}
