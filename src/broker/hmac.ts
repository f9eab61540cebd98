import { createHash, hash } from "node:crypto";

/** Block size of SHA-256 in bytes. */
const BLOCK = 64;
const DIGEST = 32;
/** Bytes for a text; longer ones get a buffer of their own. */
const ROOM = 4096;
/** Bytes of UTF-8 for one unit of UTF-16. */
const LONGEST_CHARACTER = 3;

/**
 * HMAC-SHA-256 (RFC 2104) of short texts with one key. `createHmac` builds a stream for each text, which
 * costs an acquire several times what the hashing does (measured); two one-shot hashes do the same. The digest
 * between them is a string, since each buffer brings memory of its own that has to be collected.
 */
export class Hmac {
  /** The inner key, and room for a text. */
  readonly #inner: Buffer;
  readonly #outer: Buffer;

  constructor(key: Uint8Array) {
    const short = key.length > BLOCK ? createHash("sha256").update(key).digest() : key;
    this.#inner = Buffer.alloc(BLOCK + ROOM, 0x36);
    this.#outer = Buffer.alloc(BLOCK + DIGEST, 0x5c);
    short.forEach((byte, i) => {
      this.#inner[i] = 0x36 ^ byte;
      this.#outer[i] = 0x5c ^ byte;
    });
  }

  /** The whole code of a text (as UTF-8), in base64url. */
  sign(text: string): string {
    this.#outer.write(hash("sha256", this.#message(text), "binary"), BLOCK, "latin1");
    return hash("sha256", this.#outer, "base64url");
  }

  #message(text: string): Buffer {
    if (text.length * LONGEST_CHARACTER > ROOM) {
      return Buffer.concat([this.#inner.subarray(0, BLOCK), Buffer.from(text)]);
    }
    return this.#inner.subarray(0, BLOCK + this.#inner.write(text, BLOCK));
  }
}
