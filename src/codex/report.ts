import type { Acquired, Report } from "../client/index.ts";
import { letGo, livingLease, WITHIN_MS } from "./lease.ts";
import { answerOf } from "./outcome.ts";
import { findRollout, readRollout, type TurnEnd } from "./rollout.ts";
import type { Ending, RunSetting } from "./setting.ts";

/** How the run goes on. */
interface Continuation {
  readonly granted: Acquired;
  readonly args: readonly string[];
  /** The prompt again, for standard input. */
  readonly input: string;
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
  const { broker, note, resumed } = setting;
  try {
    const last = await lastTurn(setting.userHome, ending);
    const answer = last === undefined ? undefined : answerOf(last.turn);
    const lease = await livingLease(broker, ending.granted);
    if (last === undefined || answer === undefined) {
      await letGo(broker, lease);
      return undefined;
    }
    const { turn, threadId } = last;
    const acquireNext =
      resumed !== undefined && ending.code !== 0 && turn.error !== undefined && turn.prompt !== "";
    const told = await broker.report(
      {
        lease,
        providerResponse: answer,
        acquireNext,
        ...(turn.model !== undefined && { model: turn.model }),
      },
      { timeoutMs: WITHIN_MS },
    );
    const granted = told.next?.granted;
    const goesOn = granted !== undefined && isAdvised(told) && mayTry(granted);
    if (granted !== undefined && !goesOn) await letGo(broker, granted.lease);
    if (turn.error !== undefined) tell(note, told, lease.profile, threadId, goesOn ? granted : undefined);
    if (!goesOn || resumed === undefined) return undefined;
    return { granted, args: resumed(threadId), input: turn.prompt };
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
  userHome: string,
  { threads, since }: Ending,
): Promise<{ readonly turn: TurnEnd; readonly threadId: string } | undefined> {
  const turns: { turn: TurnEnd; threadId: string }[] = [];
  for (const threadId of threads) {
    const path = findRollout(userHome, threadId);
    if (path !== undefined) turns.push({ turn: await readRollout(path, since), threadId });
  }
  return turns.findLast(({ turn }) => turn.error !== undefined) ?? turns.at(-1);
}

function tell(
  note: (line: string) => void,
  { outcome, retryTime, next }: Report,
  profile: string,
  threadId: string,
  granted: Acquired | undefined,
): void {
  const isLimit = LIMITS.includes(outcome);
  const until = retryTime === undefined ? "" : ` until ${retryTime.toLocaleString()}`;
  const what = isLimit ? `${profile} is at its limit${until}` : `${profile} was refused`;
  if (granted !== undefined) note(`${what}; thread ${threadId} goes on with ${granted.lease.profile}`);
  else if (next?.unavailable !== undefined) note(`${what}, and ${next.unavailable.message}`);
  else if (isLimit)
    note(`${what}; \`auth-broker codex -- resume ${threadId}\` goes on with the next account`);
}
