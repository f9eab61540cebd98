import { select } from "../../src/domain/selection.ts";
import { type Asked, situation } from "./situation.ts";

/** `use x:a ORDER`, and what becomes of the session; `none` with the verdicts; as short texts. */
export function chosen(asked: Asked): string {
  const choice = select(...situation(asked));
  if (choice.kind === "none") {
    const why = choice.ranked.map(({ seat, verdict }) => `${seat.profile.id} ${verdict.kind}`);
    return `none [${why.join()}]${choice.stayed === undefined ? "" : ` stayed ${choice.stayed}`}`;
  }
  const what = `${choice.kind} ${choice.profile.id} ${choice.reason}`;
  if (choice.kind === "refresh") return choice.isHome ? `${what} home` : what;
  const { home, lentTo } = choice.session ?? {};
  return `${what} → ${home}${lentTo === undefined ? "" : ` lent ${lentTo}`}`;
}
