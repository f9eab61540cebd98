import { moment } from "../client/when.ts";
import { atMsOf, type Seconds } from "../rpc/instants.ts";
import type { Message } from "../rpc/schema.ts";
import { sheet } from "./table.ts";

interface Granted {
  readonly lease: {
    readonly leaseId: string;
    readonly provider: string;
    readonly profile: string;
    readonly generation: number;
    readonly expireTime: Seconds | null;
    readonly trial: boolean;
    readonly costClass: string;
  };
  readonly credential: {
    readonly oauth?: { readonly accessToken: string; readonly expireTime: Seconds | null };
    readonly apiKey?: { readonly key: string };
    readonly baseUrl: string;
    readonly headers: Readonly<Record<string, string>>;
  };
}

/** A lease with its credential, out of an acquire's answer or a `granted`. */
export function grantedOf(answer: Message): Granted {
  return answer as unknown as Granted;
}

/** The bare token or key. */
export function secretOf({ credential }: Granted): string {
  return credential.oauth?.accessToken ?? credential.apiKey?.key ?? "";
}

/** Lease and header names for a person; never what the headers hold. */
export function grantedSheet(answer: Message, nowMs: number): string {
  const { lease, credential } = grantedOf(answer);
  const ends = credential.oauth?.expireTime ?? null;
  return sheet([
    ["lease", lease.leaseId],
    ["profile", lease.profile],
    ["generation", String(lease.generation)],
    ["lease ends", lease.expireTime === null ? undefined : moment(new Date(atMsOf(lease.expireTime)), nowMs)],
    ["token ends", ends === null ? undefined : moment(new Date(atMsOf(ends)), nowMs)],
    ["paid by", lease.costClass.replace("COST_CLASS_", "")],
    ["trial", lease.trial ? "yes: report what comes of it" : undefined],
    ["base URL", credential.baseUrl],
    ["headers", Object.keys(credential.headers).sort().join(", ")],
  ]);
}
