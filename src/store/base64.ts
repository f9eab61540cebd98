const LETTERS = /^[A-Za-z0-9+/]*={0,2}$/;
/** Letters that stand for three bytes. */
const GROUP = 4;

/**
 * The bytes in base64 (RFC 4648, 4), or undefined: each has one text here. Node would pass over what is none of the
 * alphabet, take another alphabet too, and ignore bits that count for nothing. Those are in the last group, so only
 * that one is written again to compare; the whole would take as long as the decryption of a record.
 */
export function strictBase64(text: string): Buffer | undefined {
  if (text.length % GROUP !== 0 || !LETTERS.test(text)) return undefined;
  const bytes = Buffer.from(text, "base64");
  const last = text.slice(-GROUP);
  return Buffer.from(last, "base64").toString("base64") === last ? bytes : undefined;
}
