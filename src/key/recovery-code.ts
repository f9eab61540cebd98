import { createHash } from "node:crypto";
import { KEY_BYTES } from "../store/seal.ts";

export { keyText } from "../store/seal.ts";

/** Base 32 after Crockford: no letter that can be taken for a digit. */
const LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const BITS = 5;
const CHECK_BYTES = 3;
/** 35 bytes are 56 letters, without a rest. */
const GROUP = /.{7}/g;

/** The key in 8 groups of 7 letters and digits, to be written down and kept elsewhere. Mistakes are noticed. */
export function recoveryCode(key: Uint8Array): string {
  const bytes = Buffer.concat([key, checkOf(key)]);
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const letters = Array.from({ length: bits.length / BITS }, (_, i) =>
    LETTERS.charAt(Number.parseInt(bits.slice(i * BITS, (i + 1) * BITS), 2)),
  );
  return letters.join("").match(GROUP)?.join("-") ?? "";
}

/** The key behind a recovery code, however it is spaced and in whichever case; undefined if it is none. */
export function keyOfRecoveryCode(text: string): Uint8Array | undefined {
  const letters = text.toUpperCase().replaceAll(/[\s-]/g, "").replaceAll("O", "0").replaceAll(/[IL]/g, "1");
  const values = [...letters].map((letter) => LETTERS.indexOf(letter));
  if (values.length !== ((KEY_BYTES + CHECK_BYTES) * 8) / BITS || values.includes(-1)) return undefined;
  const bits = values.map((value) => value.toString(2).padStart(BITS, "0")).join("");
  const bytes = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  const key = bytes.subarray(0, KEY_BYTES);
  return bytes.subarray(KEY_BYTES).equals(checkOf(key)) ? key : undefined;
}

function checkOf(key: Uint8Array): Buffer {
  return createHash("sha256")
    .update("auth-broker recovery code\0")
    .update(key)
    .digest()
    .subarray(0, CHECK_BYTES);
}
