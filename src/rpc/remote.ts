import { type Metadata, status } from "@grpc/grpc-js";
import { atMsOf, msOf, type Seconds } from "./instants.ts";
import { decode, type Message, messageType } from "./schema.ts";
import { type CodeName, codeOf, DETAILS_KEY, ERROR_DOMAIN, TYPE_URL } from "./status.ts";

/** A failed call as a client sees it. */
export interface RemoteFailure {
  /** Name of the gRPC code, such as `RESOURCE_EXHAUSTED`. */
  readonly code: CodeName;
  /** Empty: unexpected, or not from a broker, such as a broken connection. */
  readonly reason: string;
  readonly message: string;
  /** When a retry can help, as far as known. */
  readonly retryTime?: Date;
  /** The command that mends it, if one does. */
  readonly help?: string;
  /** Why each profile does not serve; empty where profiles are not the cause. */
  readonly profiles: readonly {
    readonly profile: string;
    readonly reason: string;
    readonly untilTime?: Date;
  }[];
}

/** The way back from a grpc-js error. Details that cannot be read are left out. Never throws. */
export function readStatus(
  error: { readonly code: status; readonly details: string; readonly metadata?: Metadata },
  nowMs: number,
): RemoteFailure {
  const code = (status[error.code] ?? "UNKNOWN") as CodeName;
  const details = unpack(error.metadata);
  const info = details.get("google.rpc.ErrorInfo");
  if (info?.domain !== ERROR_DOMAIN) return { code, reason: "", message: error.details, profiles: [] };
  const unavailable = details.get("authbroker.v1.Unavailable");
  if (unavailable !== undefined) return { ...readUnavailable(unavailable), code };
  const delay = details.get("google.rpc.RetryInfo")?.retryDelay as Seconds | null | undefined;
  return {
    code,
    reason: String(info.reason),
    message: error.details,
    ...(delay && { retryTime: new Date(nowMs + msOf(delay)) }),
    profiles: [],
  };
}

/** The same of a decoded `authbroker.v1.Unavailable`, which watches and `next` carry without a status. */
export function readUnavailable(message: Message): RemoteFailure {
  const retryTime = message.retryTime as Seconds | null;
  const profiles = message.profiles as readonly {
    profile: string;
    reason: string;
    untilTime: Seconds | null;
  }[];
  return {
    code: codeOf(String(message.reason)),
    reason: String(message.reason),
    message: String(message.message),
    ...(retryTime && { retryTime: new Date(atMsOf(retryTime)) }),
    ...(message.help !== "" && { help: String(message.help) }),
    profiles: profiles.map(({ profile, reason, untilTime }) => ({
      profile,
      reason,
      ...(untilTime && { untilTime: new Date(atMsOf(untilTime)) }),
    })),
  };
}

/** Details by type; the last of each type. */
function unpack(metadata: Metadata | undefined): ReadonlyMap<string, Message> {
  const details = new Map<string, Message>();
  const [bytes] = metadata?.get(DETAILS_KEY) ?? [];
  if (!Buffer.isBuffer(bytes)) return details;
  const packed = attempt(() => decode(messageType("google.rpc.Status"), bytes).details) ?? [];
  for (const { type_url, value } of packed as readonly { type_url: string; value: Uint8Array }[]) {
    const typeName = type_url.slice(TYPE_URL.length);
    const detail = attempt(() => decode(messageType(typeName), value));
    if (detail !== undefined) details.set(typeName, detail);
  }
  return details;
}

/** Undefined for bytes of another program, or of a newer broker with a detail unknown here. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
