import type { Acquired, Broker } from "../client/index.ts";
import { writeAuth } from "./auth-file.ts";
import { startChild } from "./child.ts";
import { type Keeper, keep } from "./keeper.ts";
import { letGo } from "./lease.ts";
import { nextOf, type Told, tell } from "./report.ts";
import type { Done, RunSetting } from "./setting.ts";
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
    const mayTry = ({ lease }: Acquired) =>
      (tried.get(lease.profile) ?? -1) < lease.generation && tried.size < 64;
    const { code, told } = await runOnce(granted, args, input, setting);
    const next = await told()
      .then((known) => known && nextOf(known, code, setting, mayTry))
      .catch((error: unknown) => {
        setting.note(`the broker does not know how this run ended: ${(error as Error).message}`);
        return undefined;
      });
    if (next === undefined) return code;
    ({ args, input, granted } = next);
  }
}

/** How one Codex ended. */
interface Ending {
  readonly code: number;
  /** Tells the broker, if that is not done yet. */
  readonly told: () => Promise<Told | undefined>;
}

async function runOnce(
  granted: Acquired,
  args: readonly string[],
  input: string | undefined,
  setting: RunSetting,
): Promise<Ending> {
  const { broker, program, env, home, janitor, note, threadId, again } = setting;
  const write = (credential: Acquired["credential"]) => writeAuth(home, credential, new Date());
  write(granted.credential);
  const since = new Date();
  let keeper: Keeper | undefined;
  let early: { readonly of: number; readonly told: Promise<Told | undefined> } | undefined;
  // A run that can go on is told of while Codex still puts its things away: the next one then starts at once.
  const threads = watchThreads(home, () => {
    if (again === undefined || early !== undefined) return;
    const own = threads.soFar();
    const told = tell({ since, granted: keeper?.current() ?? granted, threads: own }, setting);
    told.catch(() => {});
    early = { of: own.length, told };
  });
  const troubles: unknown[] = [];
  try {
    const child = await startChild(program, args, { env, input });
    janitor.watches(child.pid);
    threads.follows(child.pid);
    keeper = keep(broker, granted, write, (error) => void troubles.push(error));
    const code = await child.ended;
    janitor.watches(undefined);
    keeper.stop();
    const seen = threads.stop();
    const done = {
      since,
      granted: keeper.current(),
      threads: seen.length > 0 || !threadId ? seen : [threadId],
    };
    if (early !== undefined && early.of !== seen.length) giveBack(broker, early.told);
    return { code, told: () => toldOf(done, early?.of === seen.length ? early.told : undefined, setting) };
  } finally {
    threads.stop();
    // Codex may have had the screen to itself until now.
    for (const error of troubles) note(`the credential was not kept fresh: ${(error as Error).message}`);
  }
}

/** What the broker was told early, or is told now; a lease that there is nothing to tell of is given back. */
async function toldOf(
  done: Done,
  early: Promise<Told | undefined> | undefined,
  setting: RunSetting,
): Promise<Told | undefined> {
  // What could not be told early is told now.
  const told = (await early?.catch(() => undefined)) ?? (await tell(done, setting));
  if (told === undefined) await letGo(setting.broker, done.granted.lease);
  return told;
}

/** Codex opened another thread after it had closed all: what came of that one counts. */
function giveBack(broker: Broker, early: Promise<Told | undefined>): void {
  early.then(
    (told) => told?.answer.next?.granted && letGo(broker, told.answer.next.granted.lease),
    () => {},
  );
}
