import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { strictBase64 } from "./base64.ts";

/** AES-256 in Galois/Counter Mode, by its name in JOSE (RFC 7518). */
export const SEAL_ALGORITHM = "A256GCM";
export const KEY_BYTES = 32;
const CIPHER = "aes-256-gcm";
/** 96 bits, as NIST SP 800-38D recommends; drawn anew for each sealing. */
const IV_BYTES = 12;
const TAG_BYTES = 16;
const KEY_ID_BYTES = 4;
const FIRST_BLOCK = Uint8Array.of(1);
const TAG = { authTagLength: TAG_BYTES };

/** What a sealed record is about. It is authenticated and not hidden; a record opens under nothing else. */
export interface Subject {
  /** Version of the layout around the record. */
  readonly format: number;
  /** The record's place in the state directory, one for each profile. */
  readonly place: string;
  readonly generation: number;
  readonly revision: number;
}

/** A record under seal. */
export interface Sealed {
  /** Id of the key. */
  readonly key: string;
  /** base64, as are the following. */
  readonly iv: string;
  /** Ciphertext, then the 128 bits of the authentication tag. */
  readonly record: string;
}

/** Seals and opens records with one key, for one installation. */
export class Seal {
  /** 8 hex digits that tell keys apart and say nothing about them. */
  readonly id: string;
  readonly #install: string;
  /** Read by the cipher without a copy each time. */
  readonly #key: KeyObject;
  readonly #bound: string;
  readonly #root: Uint8Array;

  /** `root`: the 32 bytes of the key. `install`: the installation's random name. */
  constructor(root: Uint8Array, install: string) {
    this.#root = root;
    this.#install = install;
    this.#key = createSecretKey(this.derive("seal"));
    this.#bound = `${SEAL_ALGORITHM} ${install}`;
    this.id = Buffer.from(this.derive("id")).toString("hex", 0, KEY_ID_BYTES);
  }

  /**
   * A key of its own for one purpose, from which no other can be told: the second step of HKDF, which is all
   * that a key drawn at random needs (RFC 5869, 3.3). By hand, as Node loads its own only for this.
   */
  derive(purpose: string): Uint8Array {
    const info = `auth-broker ${purpose} ${this.#install}`;
    return createHmac("sha256", this.#root).update(info).update(FIRST_BLOCK).digest();
  }

  seal(plain: Uint8Array, subject: Subject): Sealed {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key, iv).setAAD(this.#about(subject));
    const parts = [cipher.update(plain), cipher.final(), cipher.getAuthTag()];
    return { key: this.id, iv: iv.toString("base64"), record: Buffer.concat(parts).toString("base64") };
  }

  /** The record, or undefined if not every bit of it and of its subject is as it was sealed. */
  open(sealed: Sealed, subject: Subject): Buffer | undefined {
    const iv = strictBase64(sealed.iv);
    const bytes = strictBase64(sealed.record);
    if (iv?.length !== IV_BYTES || bytes === undefined || bytes.length < TAG_BYTES) return undefined;
    const end = bytes.length - TAG_BYTES;
    const decipher = createDecipheriv(CIPHER, this.#key, iv, TAG)
      .setAAD(this.#about(subject))
      .setAuthTag(bytes.subarray(end));
    try {
      const plain = decipher.update(bytes.subarray(0, end));
      // Nothing more comes of it, but it throws if the tag does not fit.
      decipher.final();
      return plain;
    } catch {
      return undefined;
    }
  }

  /** The key itself, for the place that keeps it. */
  reveal(): Uint8Array {
    return this.#root;
  }

  /** What is authenticated with a record; `place` last, since only it may hold a blank. */
  #about({ format, place, generation, revision }: Subject): Buffer {
    return Buffer.from(`${this.#bound} ${format} ${generation} ${revision} ${place}`);
  }
}

/** A key as text. */
export function keyText(key: Uint8Array): string {
  return Buffer.from(key).toString("hex");
}

/** The key in a text of 64 hex digits, with white space around it; undefined if that is not what it holds. */
export function keyInText(text: string): Uint8Array | undefined {
  const digits = text.trim();
  return new RegExp(`^[0-9a-f]{${2 * KEY_BYTES}}$`, "i").test(digits)
    ? Buffer.from(digits, "hex")
    : undefined;
}
