import type { Acquired, Lease, Report } from "../client/index.ts";
import { moment } from "../client/when.ts";
import { letGo, livingLease, WITHIN_MS } from "./lease.ts";
import { answerOf } from "./outcome.ts";
import { findRollout, readRollout, type TurnEnd } from "./rollout.ts";
import type { Again, Done, RunSetting } from "./setting.ts";

/** How the run goes on. */
interface Continuation extends Again {
  readonly granted: Acquired;
}

const LIMITS: readonly Report["outcome"][] = ["OUTCOME_USAGE_LIMIT", "OUTCOME_RATE_LIMIT", "OUTCOME_BILLING"];

/** What the broker answered to it. */
export interface Told {
  readonly turn: TurnEnd;
  readonly threadId: string;
  readonly lease: Lease;
  readonly answer: Report;
  /** How the thread could go on; then the answer may bring a credential. */
  readonly again: Again | undefined;
}

/**
 * Tells the broker what came of a Codex, and asks for the next credential if it failed in a way that can go
 * on. Undefined if there is nothing to tell; the lease is still held then.
 */
export async function tell(
  { granted, threads, since }: Done,
  { broker, home, again: goesOn }: RunSetting,
): Promise<Told | undefined> {
  const last = await lastTurn(home, threads, since);
  const providerResponse = last === undefined ? undefined : answerOf(last.turn);
  if (last === undefined || providerResponse === undefined) return undefined;
  const lease = await livingLease(broker, granted);
  const { turn, threadId } = last;
  const again = turn.error === undefined ? undefined : goesOn?.(threadId, turn.prompt);
  const { model } = turn;
  const answer = await broker.report(
    {
      lease,
      providerResponse,
      acquireNext: again !== undefined,
      ...(model !== undefined && { model }),
    },
    { timeoutMs: WITHIN_MS },
  );
  return { turn, threadId, lease, answer, again };
}

/**
 * The next credential for the same thread, where the exit code, the broker and `mayTry` allow it; the person is
 * told what happened. A credential that is not taken is given back.
 */
export async function nextOf(
  { turn, threadId, lease, answer, again }: Told,
  code: number,
  { broker, note, hint }: RunSetting,
  mayTry: (next: Acquired) => boolean,
): Promise<Continuation | undefined> {
  const granted = answer.next?.granted;
  const goesOn = code !== 0 && granted !== undefined && isAdvised(answer) && mayTry(granted);
  const next = goesOn && again !== undefined ? { granted, ...again } : undefined;
  if (granted !== undefined && next === undefined) await letGo(broker, granted.lease);
  if (turn.error !== undefined) note(whatHappened(answer, lease.profile, next, hint(threadId)));
  return next;
}

function isAdvised({ advice }: Report): boolean {
  return advice?.action === "ADVICE_ACTION_RETRY_NEXT" || advice?.action === "ADVICE_ACTION_RETRY_SAME";
}

/** The turn that failed last, else the last one of the thread that was opened last. */
async function lastTurn(
  home: string,
  threads: readonly string[],
  since: Date,
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
