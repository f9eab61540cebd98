import { moment } from "../client/when.ts";
import { toTwin } from "../rpc/json.ts";
import type { Message } from "../rpc/schema.ts";
import { sheet, table } from "./table.ts";

/** A profile as an operator sees it. Enums carry their prefix, as on the wire. */
export interface ProfileView {
  readonly profile: string;
  readonly provider: string;
  readonly label: string;
  readonly kind: string;
  readonly accountHint: string;
  readonly planType: string;
  readonly pools: readonly string[];
  readonly costClass: string;
  readonly ownership: string;
  readonly state: string;
  readonly stateReason: string;
  readonly order: number;
  readonly isOrderExplicit: boolean;
  readonly enabled: boolean;
  readonly generation: number;
  readonly accessTokenExpireTime?: Date;
  readonly refreshTime?: Date;
  readonly lastRefreshTime?: Date;
  readonly hasRefreshToken: boolean;
  readonly cooldowns: readonly CooldownView[];
  readonly usageWindows: readonly WindowView[];
  readonly sessionCount: number;
  readonly tokenFingerprint: string;
  /** Empty: none. */
  readonly sourcePath: string;
}

interface CooldownView {
  readonly model: string;
  readonly outcome: string;
  readonly source: string;
  readonly untilTime?: Date;
  readonly strikes: number;
}

interface WindowView {
  readonly name: string;
  readonly usedPercent?: number;
  readonly resetTime?: Date;
}

/** The profile in an answer. */
export function profileView(message: Message): ProfileView {
  return toTwin("authbroker.v1.Profile", message) as unknown as ProfileView;
}

/** The profiles in a list or a watch. */
export function profileViews(messages: unknown): readonly ProfileView[] {
  return (messages as readonly Message[]).map(profileView);
}

/** A name without the prefix that its enum has on the wire. */
export function bare(name: string): string {
  return name.replace(/^(PROFILE_STATE|PROFILE_KIND|OWNERSHIP|COST_CLASS|OUTCOME|COOLDOWN_SOURCE)_/, "");
}

/** One line a profile, under a header. */
export function profileTable(profiles: readonly ProfileView[], nowMs: number): string {
  const rows = profiles.map((view) => [
    view.profile,
    stateText(view),
    untilText(view, nowMs),
    placeText(view),
    known(view.kind),
    view.planType,
    known(view.ownership),
    view.accountHint,
  ]);
  return table(["PROFILE", "STATE", "UNTIL", "ORDER", "KIND", "PLAN", "OWNERSHIP", "ACCOUNT"], rows);
}

/** In brackets where no operator set it. */
function placeText({ order, isOrderExplicit, kind }: ProfileView): string {
  if (order === 0) return "outside";
  return isOrderExplicit || known(kind) === "-" ? String(order) : `(${order})`;
}

/** In small letters; `-` of a record that cannot be read. */
function known(name: string): string {
  const text = bare(name).toLowerCase();
  return text === "unspecified" ? "-" : text;
}

/** The command that brings a profile back which does not come back by itself; empty if none is needed. */
export function nextStep({ profile, provider, kind, state, stateReason }: ProfileView): string {
  switch (bare(state)) {
    case "NEEDS_LOGIN":
      return newLogin(profile, provider, kind);
    case "REFRESH_IN_DOUBT":
      return `auth-broker profiles refresh ${profile}`;
    case "DISABLED":
      return `auth-broker profiles enable ${profile}`;
    case "BLOCKED":
      if (stateReason === "HELD_AFTER_BAN") return `auth-broker profiles acknowledge ${provider}`;
      return `auth-broker profiles ${stateReason === "STORE_CORRUPT" ? "add" : "enable"} ${profile}`;
    default:
      return stateReason === "LOGIN_REQUIRED" ? newLogin(profile, provider, kind) : "";
  }
}

function newLogin(profile: string, provider: string, kind: string): string {
  if (bare(kind) === "API_KEY") return `auth-broker profiles add ${profile} --api-key`;
  return `auth-broker login ${provider} --label ${profile.slice(profile.indexOf(":") + 1)}`;
}

/** The state with its reason, such as `COOLING_DOWN (USAGE_LIMIT)`. */
export function stateText({ state, stateReason }: Pick<ProfileView, "state" | "stateReason">): string {
  return stateReason === "" ? bare(state) : `${bare(state)} (${stateReason})`;
}

/** When a profile that cools down comes back; empty if it does not cool down. */
export function untilText({ state, cooldowns }: ProfileView, nowMs: number): string {
  if (bare(state) !== "COOLING_DOWN") return "";
  const ends = cooldowns.flatMap(({ model, untilTime }) => (model === "" && untilTime ? [untilTime] : []));
  const last = ends.reduce<Date | undefined>((late, end) => (late && late > end ? late : end), undefined);
  return last === undefined ? "" : moment(last, nowMs);
}

/** Everything about one profile. */
export function profileSheet(view: ProfileView, nowMs: number): string {
  const when = (at: Date | undefined) => at && moment(at, nowMs);
  return sheet([
    ["profile", view.profile],
    ["label", view.label],
    ["state", stateText(view)],
    ["what helps", nextStep(view)],
    ["account", view.accountHint],
    ["plan", view.planType],
    ["kind", known(view.kind)],
    ["paid by", bare(view.costClass)],
    ["ownership", bare(view.ownership)],
    ["order", view.order === 0 ? "outside the explicit order, so never used" : orderText(view)],
    ["pools", view.pools.join(", ")],
    ["generation", String(view.generation)],
    ["fingerprint", view.tokenFingerprint],
    ["token ends", when(view.accessTokenExpireTime)],
    ["refresh due", when(view.refreshTime)],
    ["last refresh", when(view.lastRefreshTime)],
    ["can refresh", view.hasRefreshToken ? "yes" : "no"],
    ["sessions", String(view.sessionCount)],
    ...view.cooldowns.map((cooldown) => ["cooldown", cooldownText(cooldown, nowMs)] as const),
    ...view.usageWindows.map((window) => ["usage", windowText(window, nowMs)] as const),
  ]);
}

function orderText({ order, isOrderExplicit }: ProfileView): string {
  return isOrderExplicit ? String(order) : `${order}, by kind and id; no explicit order is set`;
}

function cooldownText({ model, outcome, source, untilTime, strikes }: CooldownView, nowMs: number): string {
  const where = model === "" ? "" : ` for ${model}`;
  const until = untilTime === undefined ? "" : ` until ${moment(untilTime, nowMs)}`;
  const whence = bare(source) === "PROVIDER" ? "stated by the provider" : "guessed";
  return `${bare(outcome)}${where}${until}, ${whence}${strikes > 1 ? `, ${strikes} in a row` : ""}`;
}

function windowText({ name, usedPercent, resetTime }: WindowView, nowMs: number): string {
  const used = usedPercent === undefined ? "" : ` ${Math.round(usedPercent)} % used`;
  return `${name}${used}${resetTime === undefined ? "" : `, starts anew ${moment(resetTime, nowMs)}`}`;
}
