import type { Request } from "../domain/candidate.ts";
import type { ProfileKind } from "../domain/grant.ts";

/** Acquires and watches run their trials separately. */
export type Channel = "acquire" | "watch";

/** Everything a report must know of the hand-out that it is about. Nothing of it is kept in memory. */
export interface Lease {
  readonly profile: string;
  readonly generation: number;
  readonly accountEpoch: string;
  readonly request: Request;
  readonly endpoint: string;
  readonly uid: number;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  readonly trial: boolean;
  readonly channel: Channel;
}

const FORMAT = 1;
/**
 * What an id of the usual kind begins with: the same fields as plain text, because JSON and base64url took a
 * quarter of what a hand-out costs above a bare answer (measured). Anything unusual is in `FORMAT`.
 */
const PLAIN = "2~";
const SEPARATOR = "~";
const SEPARATOR_CODE = 0x7e;
const PLAIN_FIELDS = 16;
/** Bits of the flags. */
const TRIAL = 1;
const WATCH = 2;

type Packed = [
  typeof FORMAT,
  string,
  number,
  string,
  [string, string, string, string, readonly string[], number, string, readonly string[]],
  string,
  number,
  number,
  number,
  0 | 1,
  0 | 1,
  string,
];

/** A lease as text, for an id. `nonce`: makes it another one each time; letters, digits, `-` and `_`. */
export function leaseText(lease: Lease, nonce: string): string {
  return plain(lease, nonce) ?? packed(lease, nonce);
}

/** The lease in a text that `leaseText` made; that it did is known, since it was authenticated. */
export function readLeaseText(text: string): Lease | undefined {
  return text.startsWith(PLAIN) ? readPlain(text) : unpack(text);
}

function packed(lease: Lease, nonce: string): string {
  const r = lease.request;
  const fields: Packed = [
    FORMAT,
    lease.profile,
    lease.generation,
    lease.accountEpoch,
    [r.provider, r.model, r.sessionId, r.pool, r.kinds, r.minValidForMs, r.profile, r.excludeProfiles],
    lease.endpoint,
    lease.uid,
    lease.issuedAtMs,
    lease.expiresAtMs,
    lease.trial ? 1 : 0,
    lease.channel === "watch" ? 1 : 0,
    nonce,
  ];
  return Buffer.from(JSON.stringify(fields)).toString("base64url");
}

function unpack(body: string): Lease | undefined {
  const [format, profile, generation, accountEpoch, r, endpoint, uid, issuedAtMs, expiresAtMs, trial, watch] =
    JSON.parse(Buffer.from(body, "base64url").toString("utf8")) as Packed;
  if (format !== FORMAT) return undefined;
  return {
    profile,
    generation,
    accountEpoch,
    request: {
      provider: r[0],
      model: r[1],
      sessionId: r[2],
      pool: r[3],
      kinds: r[4] as readonly ProfileKind[],
      minValidForMs: r[5],
      profile: r[6],
      excludeProfiles: r[7],
    },
    endpoint,
    uid,
    issuedAtMs,
    expiresAtMs,
    trial: trial === 1,
    channel: watch === 1 ? "watch" : "acquire",
  };
}

/** Undefined if something in it would not come back as it is. */
function plain(lease: Lease, nonce: string): string | undefined {
  const { request: r, issuedAtMs, expiresAtMs } = lease;
  if (r.kinds.length + r.excludeProfiles.length > 0) return undefined;
  const flags = (lease.trial ? TRIAL : 0) | (lease.channel === "watch" ? WATCH : 0);
  const who = `${PLAIN}${lease.profile}~${lease.generation}~${lease.accountEpoch}~${lease.endpoint}~${lease.uid}`;
  const what = `${r.provider}~${r.model}~${r.sessionId}~${r.pool}~${r.profile}~${r.minValidForMs}`;
  const text = `${who}~${what}~${issuedAtMs}~${expiresAtMs}~${flags}~${nonce}`;
  return isPlain(text) ? text : undefined;
}

/** Letters, digits, `-`, `.`, `/`, `:`, `@`, `_`: harmless in a shell, too. */
const PLAIN_LETTERS = new Uint8Array(128);
for (const letter of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-./:@_") {
  PLAIN_LETTERS[letter.charCodeAt(0)] = 1;
}

/** With as many separators as there are between the fields, none stands in a field. */
function isPlain(text: string): boolean {
  let fields = 1;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code === SEPARATOR_CODE) fields += 1;
    else if (PLAIN_LETTERS[code] !== 1) return false;
  }
  return fields === PLAIN_FIELDS;
}

function readPlain(text: string): Lease {
  const fields = text.split(SEPARATOR);
  const textAt = (i: number) => fields[i] ?? "";
  const numberAt = (i: number) => Number(fields[i]);
  const flags = numberAt(14);
  return {
    profile: textAt(1),
    generation: numberAt(2),
    accountEpoch: textAt(3),
    endpoint: textAt(4),
    uid: numberAt(5),
    request: {
      provider: textAt(6),
      model: textAt(7),
      sessionId: textAt(8),
      pool: textAt(9),
      profile: textAt(10),
      minValidForMs: numberAt(11),
      kinds: [],
      excludeProfiles: [],
    },
    issuedAtMs: numberAt(12),
    expiresAtMs: numberAt(13),
    trial: (flags & TRIAL) !== 0,
    channel: (flags & WATCH) !== 0 ? "watch" : "acquire",
  };
}
