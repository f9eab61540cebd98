import { randomBytes, timingSafeEqual } from "node:crypto";
import type { Request } from "../domain/candidate.ts";
import type { ProfileKind } from "../domain/grant.ts";
import { Hmac } from "./hmac.ts";

/** A lease ends with its credential or after this time, whatever comes first. */
export const LEASE_MS = 60 * 60_000;
/** An ended lease can still be reported for this long. */
export const REPORTABLE_MS = 60 * 60_000;

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

/** A lease read back from its id, with the short tag that tells it from others. */
export interface ReadLease extends Lease {
  readonly tag: string;
}

const FORMAT = 1;
/** 128 bits, in base64url. */
const MAC_LETTERS = 22;
const TAG_LETTERS = 8;
const NONCE_BYTES = 6;
/**
 * Longer ids are not ours; keeps a forged one cheap. Above the id for the longest request that is taken, with
 * 16 KiB of excluded ids.
 */
const LONGEST_ID = 64 * 1024;

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

/** The short tag of an id, as it is in what `read` gives. */
export function tagOf(id: string): string {
  return id.slice(id.indexOf(".") + 1).slice(0, TAG_LETTERS);
}

/** Makes and reads lease ids: the content in plain base64url, authenticated with the per-install key. */
export class LeaseIds {
  readonly #hmac: Hmac;
  /** Makes ids differ: random for the process, counted within it. */
  readonly #process = randomBytes(NONCE_BYTES).toString("base64url");
  #count = 0;

  constructor(key: Uint8Array) {
    this.#hmac = new Hmac(key);
  }

  /** The id of a lease; every call gives another one. */
  write(lease: Lease): string {
    const r = lease.request;
    const packed: Packed = [
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
      `${this.#process}${this.#count.toString(36)}`,
    ];
    this.#count += 1;
    const body = Buffer.from(JSON.stringify(packed)).toString("base64url");
    return `${body}.${this.#mac(body)}`;
  }

  /** The lease behind an id, or undefined if the id was not made here. Says nothing about its age. */
  read(id: string): ReadLease | undefined {
    const dot = id.indexOf(".");
    if (dot < 0 || id.length > LONGEST_ID) return undefined;
    const body = id.slice(0, dot);
    const mac = id.slice(dot + 1);
    if (!isEqual(mac, this.#mac(body))) return undefined;
    return unpack(JSON.parse(Buffer.from(body, "base64url").toString("utf8")) as Packed, mac);
  }

  #mac(body: string): string {
    return this.#hmac.sign(`lease ${body}`).slice(0, MAC_LETTERS);
  }
}

/** Compares the texts, not the bytes: base64url has several spellings of the same bytes. */
function isEqual(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}

/** The content was authenticated, so its shape is the one that `write` gave it. */
function unpack(packed: Packed, mac: string): ReadLease | undefined {
  const [format, profile, generation, accountEpoch, r, endpoint, uid, issuedAtMs, expiresAtMs, trial, watch] =
    packed;
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
    tag: mac.slice(0, TAG_LETTERS),
  };
}
