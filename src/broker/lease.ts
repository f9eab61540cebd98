import { randomBytes, timingSafeEqual } from "node:crypto";
import { Hmac } from "./hmac.ts";
import { type Lease, leaseText, readLeaseText } from "./lease-text.ts";

/** A lease ends with its credential or after this time, whatever comes first. */
export const LEASE_MS = 60 * 60_000;
/** An ended lease can still be reported for this long. */
export const REPORTABLE_MS = 60 * 60_000;

/** A lease read back from its id, with the short tag that tells it from others. */
export interface ReadLease extends Lease {
  readonly tag: string;
}

/** 128 bits, in base64url. */
const MAC_LETTERS = 22;
const TAG_LETTERS = 8;
const RADIX = 36;
const NONCE_BYTES = 6;
/**
 * Longer ids are not ours; keeps a forged one cheap. Above the id for the longest request that is taken, with
 * 16 KiB of excluded ids.
 */
const LONGEST_ID = 64 * 1024;

/** The short tag of an id, as it is in what `read` gives. */
export function tagOf(id: string): string {
  const from = id.lastIndexOf(".") + 1;
  return id.slice(from, from + TAG_LETTERS);
}

/** Makes and reads lease ids: the content, authenticated with the per-install key. */
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
    const nonce = `${this.#process}${this.#count.toString(RADIX)}`;
    this.#count += 1;
    const body = leaseText(lease, nonce);
    return `${body}.${this.#mac(body)}`;
  }

  /** The lease behind an id, or undefined if the id was not made here. Says nothing about its age. */
  read(id: string): ReadLease | undefined {
    const dot = id.lastIndexOf(".");
    if (dot < 0 || id.length > LONGEST_ID) return undefined;
    const body = id.slice(0, dot);
    const mac = id.slice(dot + 1);
    if (!isEqual(mac, this.#mac(body))) return undefined;
    const lease = readLeaseText(body);
    return lease && { ...lease, tag: mac.slice(0, TAG_LETTERS) };
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
