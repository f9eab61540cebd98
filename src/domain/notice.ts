import { endedText, isOfferEnded, isRefusedAfresh } from "./ended-offer.ts";
import type { Profile } from "./profile.ts";
import type { StateView } from "./state.ts";
import type { Now } from "./time.ts";
import { isOver, isPlanWindow } from "./usage.ts";

export const NOTICE_KINDS = [
  "LOGIN_REQUIRED",
  "ALL_COOLING_DOWN",
  "LIMIT_NEAR",
  "ROTATED_ELSEWHERE",
] as const;
export type NoticeKind = (typeof NOTICE_KINDS)[number];

/** Something that an operator wants to hear of without asking. Holds no secret and no text of a provider. */
export interface Notice {
  readonly kind: NoticeKind;
  readonly provider: string;
  /** Empty: several, or the provider as a whole. */
  readonly profile: string;
  /** One sentence for a person. */
  readonly message: string;
  /** The command that mends it; empty if none does. */
  readonly help: string;
  /** Wall-clock moment at which it ends by itself, if it does. */
  readonly untilMs?: number;
}

/** A profile as it stands now. */
export interface Standing {
  readonly profile: Profile;
  readonly state: StateView;
  /** It may serve by the order and the cost class. */
  readonly counts: boolean;
}

/** From which share a limit is near. */
const NEAR_PERCENT = 90;
/** Our refresh token was used by somebody else before us. */
const REUSED = "refresh_token_reused";
/** More of one kind that begin together are told as one. */
const MOST_SINGLY = 3;

/** All that there is to tell about a provider's profiles now, each under a key that stays while it lasts. */
export function noticesOf(
  provider: string,
  standings: readonly Standing[],
  nextUsableAtMs: number | undefined,
  now: Now,
): ReadonlyMap<string, Notice> {
  const found = new Map<string, Notice>();
  const add = (key: string, notice: Notice) => found.set(`${notice.kind} ${key}`, notice);
  const counted = standings.filter((s) => s.counts);
  const isEnded = isOfferEnded(counted.map((s) => s.profile));
  for (const { profile, state } of counted) {
    const about = { provider, profile: profile.id };
    if (needsLogin(state)) {
      const help = `auth-broker login ${provider} --label ${profile.label}`;
      const notice = { kind: "LOGIN_REQUIRED", help } as const;
      if (isEnded && isRefusedAfresh(profile))
        add(provider, { ...notice, provider, profile: "", message: endedText(provider) });
      else add(profile.id, { ...notice, ...about, message: loginText(profile.id, state) });
    }
    const elsewhere = rotatedText(profile);
    if (elsewhere !== undefined) {
      add(profile.id, {
        ...about,
        kind: "ROTATED_ELSEWHERE",
        message: elsewhere,
        help: "auth-broker doctor",
      });
    }
    if (profile.enabled) for (const [key, notice] of nearLimits(profile, now)) add(key, notice);
  }
  const isOut = !counted.some((s) => s.state.state === "READY");
  const cooling = counted.filter((s) => s.state.state === "COOLING_DOWN");
  if (isOut && cooling.length > 0) {
    const isEndpoint = cooling.every((s) => s.state.reason === "UPSTREAM_UNAVAILABLE");
    const why = isEndpoint ? "its token endpoint does not answer usefully" : "all are limited or out";
    const message = `no profile of ${provider} can serve now: ${why}`;
    const until = nextUsableAtMs === undefined ? {} : { untilMs: nextUsableAtMs };
    add(provider, {
      kind: "ALL_COOLING_DOWN",
      provider,
      profile: "",
      message,
      help: isEndpoint ? "auth-broker status" : "auth-broker usage",
      ...until,
    });
  }
  return found;
}

function needsLogin({ state, reason }: StateView): boolean {
  return (
    state === "NEEDS_LOGIN" ||
    state === "REFRESH_IN_DOUBT" ||
    (state === "READY" && reason === "LOGIN_REQUIRED")
  );
}

function loginText(id: string, { state }: StateView): string {
  if (state === "REFRESH_IN_DOUBT")
    return `a refresh of ${id} was lost in flight; log in again or refresh it by hand`;
  if (state === "NEEDS_LOGIN") return `${id} needs a new login`;
  return `${id} serves until its token ends, then it needs a new login`;
}

/** Undefined if nothing shows that somebody else used our grant. */
function rotatedText({ id, origin, refreshDead }: Profile): string | undefined {
  if (refreshDead?.code === REUSED)
    return `another program used the refresh token of ${id} before the broker did`;
  if (origin === "adopted")
    return `another program renewed the login that it shares with ${id}; it was taken over`;
  return undefined;
}

function nearLimits(profile: Profile, now: Now): readonly (readonly [string, Notice])[] {
  const near = profile.usageWindows.filter(
    (w) => isPlanWindow(w) && !isOver(w, now) && w.usedPercent !== undefined && w.usedPercent >= NEAR_PERCENT,
  );
  return near.map((w) => [
    `${profile.id} ${w.name}`,
    {
      kind: "LIMIT_NEAR",
      provider: profile.provider,
      profile: profile.id,
      message: `${profile.id} has used ${Math.floor(w.usedPercent ?? 0)} % of its window ${w.name}`,
      help: "auth-broker usage",
      ...(w.resetAtMs === undefined ? {} : { untilMs: w.resetAtMs }),
    },
  ]);
}

/** Tells many of one kind and provider as one. */
export function gathered(notices: readonly Notice[]): readonly Notice[] {
  const groups = new Map<string, Notice[]>();
  for (const notice of notices) {
    const key = `${notice.kind} ${notice.provider}`;
    groups.set(key, [...(groups.get(key) ?? []), notice]);
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined || group.length <= MOST_SINGLY) return group;
    const message = `${first.message}, and ${group.length - 1} more of ${first.provider}`;
    return [{ kind: first.kind, provider: first.provider, profile: "", message, help: "auth-broker status" }];
  });
}
