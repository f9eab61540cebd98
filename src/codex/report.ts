import type { Acquired, Report } from "../client/index.ts";
import { moment } from "../client/when.ts";
import { letGo, livingLease, WITHIN_MS } from "./lease.ts";
import { answerOf } from "./outcome.ts";
import { findRollout, readRollout, type TurnEnd } from "./rollout.ts";
import type { Again, Ending, RunSetting } from "./setting.ts";

/** How the run goes on. */
interface Continuation extends Again {
  readonly granted: Acquired;
}

const LIMITS: readonly Report["outcome"][] = ["OUTCOME_USAGE_LIMIT", "OUTCOME_RATE_LIMIT", "OUTCOME_BILLING"];

/**
 * Tells the broker how a Codex ended, and the person what that means. Gives the next credential for the
 * same thread where the failure, the broker and `mayTry` allow it. Trouble with the broker never changes
 * how the run ended.
 */
export async function report(
  ending: Ending,
  setting: RunSetting,
  mayTry: (next: Acquired) => boolean,
): Promise<Continuation | undefined> {
  const { broker, note } = setting;
  try {
    const last = await lastTurn(setting.home, ending);
    const answer = last === undefined ? undefined : answerOf(last.turn);
    const lease = await livingLease(broker, ending.granted);
    if (last === undefined || answer === undefined) {
      await letGo(broker, lease);
      return undefined;
    }
    const { turn, threadId } = last;
    const isFailure = ending.code !== 0 && turn.error !== undefined;
    const again = isFailure ? setting.again?.(threadId, turn.prompt) : undefined;
    const told = await broker.report(
      {
        lease,
        providerResponse: answer,
        acquireNext: again !== undefined,
        ...(turn.model !== undefined && { model: turn.model }),
      },
      { timeoutMs: WITHIN_MS },
    );
    const granted = told.next?.granted;
    const goesOn = granted !== undefined && isAdvised(told) && mayTry(granted);
    if (granted !== undefined && !goesOn) await letGo(broker, granted.lease);
    const next = goesOn && again !== undefined ? { granted, ...again } : undefined;
    if (turn.error !== undefined) note(whatHappened(told, lease.profile, next, setting.hint(threadId)));
    return next;
  } catch (error) {
    note(`the broker does not know how this run ended: ${(error as Error).message}`);
    return undefined;
  }
}

function isAdvised({ advice }: Report): boolean {
  return advice?.action === "ADVICE_ACTION_RETRY_NEXT" || advice?.action === "ADVICE_ACTION_RETRY_SAME";
}

/** The turn that failed last, else the last one of the thread that was opened last. */
async function lastTurn(
  home: string,
  { threads, since }: Ending,
): Promise<{ readonly turn: TurnEnd; readonly threadId: string } | undefined> {
  const turns: { turn: TurnEnd; threadId: string }[] = [];
  for (const threadId of threads) {
    const path = findRollout(home, threadId);
    if (path !== undefined) turns.push({ turn: await readRollout(path, since), threadId });
  }
  return turns.findLast(({ turn }) => turn.error !== undefined) ?? turns.at(-1);
}

/** One line for the person. */
function whatHappened(
  { outcome, retryTime, next }: Report,
  profile: string,
  then: Continuation | undefined,
  hint: string | undefined,
): string {
  const isLimit = LIMITS.includes(outcome);
  const until = retryTime === undefined ? "" : ` until ${moment(retryTime, Date.now())}`;
  const what = isLimit ? `${profile} is at its limit${until}` : `${profile} was refused`;
  if (then !== undefined) return `${what}; ${then.what} goes on with ${then.granted.lease.profile}`;
  if (next?.unavailable !== undefined) return `${what}, and ${next.unavailable.message}`;
  return isLimit && hint !== undefined ? `${what}; \`${hint}\` goes on with the next account` : what;
}
