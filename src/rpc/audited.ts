import type { Actor, Audit, Deed } from "../broker/audit.ts";
import { type Connection, connectionOf } from "../endpoint/peer.ts";
import type { Message } from "./schema.ts";

/** Calls that are written down when they succeed, too, and what they are called there. */
const ACTIONS: Readonly<Record<string, string>> = {
  ReportOutcome: "report",
  ReleaseLease: "release",
  PutProfile: "put",
  UpdateProfile: "update",
  DeleteProfile: "remove",
  SetOrder: "order",
  ClearCooldown: "clear_cooldown",
  AcknowledgeBan: "acknowledge_ban",
  RefreshProfile: "refresh",
  StartLogin: "login",
  SubmitLogin: "login_answer",
  CancelLogin: "login_cancel",
  Logout: "logout",
  ReturnProfile: "return",
  LockStore: "lock",
  UnlockStore: "unlock",
};
/** Whether a call of that path is written down when it succeeds. */
export function isNoted(path: string): boolean {
  let isKnown = NOTED.get(path);
  if (isKnown === undefined) {
    isKnown = ACTIONS[methodOf(path)] !== undefined;
    NOTED.set(path, isKnown);
  }
  return isKnown;
}

/** By paths of methods that exist; others reach no handler. */
const NOTED = new Map<string, boolean>();

function methodOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Written down when they are refused; what they hand out is written down where it is handed out. */
const REFUSED: Readonly<Record<string, string>> = { AcquireCredential: "acquire", WatchCredential: "watch" };
/** Not with the others within a second. */
const AT_ONCE = new Set(["put", "refresh"]);
const REFUSALS = new Set(["CLIENT_FORBIDDEN", "PEER_UNVERIFIED", "ENDPOINT_LIMIT", "LEASE_UNKNOWN"]);
const LONGEST_ID = 256;

/** Who is at the other end, for the audit. */
export function actorOf({ endpoint, uid, pid, program }: Connection): Actor {
  return {
    endpoint,
    ...(uid === undefined ? {} : { uid }),
    ...(pid === undefined ? {} : { pid }),
    ...(program?.executable === undefined ? {} : { program: program.executable.path }),
    ...(program?.unit === undefined ? {} : { unit: program.unit }),
  };
}

/** A call that was answered, as the audit needs it. */
export interface Call {
  /** As gRPC writes it, such as `/authbroker.v1.ProfileService/PutProfile`. */
  readonly path: string;
  /** What `getPeer()` gives. */
  readonly peer: string;
  readonly request: Message;
  /** The profile that it was about, where neither request nor answer names it. */
  readonly profile?: string;
}

/** Where calls are written down, and what may be named there of one that was refused. */
export interface AuditDesk {
  readonly audit: Audit;
  /** There is such a profile or provider. Else the text may be anything, such as a token at the wrong place. */
  readonly isKnownId: (id: string) => boolean;
  readonly wallMs: () => number;
}

/** Writes down what came of a call, if that is worth it. `refusal`: its reason; absent: it succeeded. */
export function noteCall(desk: AuditDesk, call: Call, answer: Message, refusal?: string): void {
  const method = methodOf(call.path);
  const known = ACTIONS[method];
  const isRefusal = refusal !== undefined && REFUSALS.has(refusal);
  if (known === undefined && (refusal === undefined || (REFUSED[method] === undefined && !isRefusal))) return;
  const action = known ?? REFUSED[method] ?? method;
  const connection = connectionOf(call.peer);
  const deed: Deed = {
    ...(connection === undefined ? {} : { actor: actorOf(connection) }),
    action,
    outcome: refusal ?? outcomeOf(answer),
    ...subjectOf(call, answer, refusal === undefined ? () => true : desk.isKnownId),
  };
  desk.audit.note(deed, desk.wallMs(), isRefusal || AT_ONCE.has(action));
}

/** The peer was cut off before it could ask anything. */
export function noteCutOff(audit: Audit, connection: Connection, nowMs: number): void {
  const actor = actorOf(connection);
  audit.note({ actor, action: "connect", outcome: "CLIENT_FORBIDDEN" }, nowMs, true);
}

function outcomeOf({ outcome, applied }: Message): string {
  if (typeof outcome !== "string") return "OK";
  const name = outcome.replace(/^OUTCOME_/, "");
  return applied === false ? `${name}_IGNORED` : name;
}

function subjectOf(
  { request, profile: given }: Call,
  answer: Message,
  isKnown: (id: string) => boolean,
): Partial<Deed> {
  const idIn = (value: unknown) =>
    typeof value === "string" && value !== "" && value.length <= LONGEST_ID && isKnown(value)
      ? value
      : undefined;

  const shown = typeof answer.profile === "object" ? (answer.profile as Message | null) : null;
  const profile = idIn(given) ?? idIn(shown?.profile) ?? idIn(request.profile);
  const provider = idIn(request.provider);
  const { generation, tokenFingerprint: fingerprint } = shown ?? {};
  return {
    ...(provider === undefined ? {} : { provider }),
    ...(profile === undefined ? {} : { profile }),
    ...(typeof generation === "number" ? { generation } : {}),
    ...(typeof fingerprint === "string" ? { fingerprint } : {}),
  };
}
