import { createHash } from "node:crypto";

/** Leaves room for suffixes within the 255 bytes that file systems allow. */
const LONGEST_STEM = 200;
const KEPT_OF_LONG = 100;
const SUFFIX = ".json";
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * The file name of a profile's record. Two ids never share one, not even where upper and lower case
 * are the same or accents are stored in another form: all but `a-z 0-9 - _` is percent-encoded.
 * Names that would be too long, or ids that are no proper text, end in `~` and a hash instead.
 */
export function fileNameOf(profileId: string): string {
  const encoded = encode(profileId);
  if (encoded.length <= LONGEST_STEM && !LONE_SURROGATE.test(profileId)) return encoded + SUFFIX;
  const hash = createHash("sha256").update(profileId, "utf16le").digest("hex");
  return `${encoded.slice(0, KEPT_OF_LONG)}~${hash}${SUFFIX}`;
}

/**
 * The id for which a file stands, as far as its name tells: exact for short ids, else the beginning
 * followed by `~` and the hash. Undefined if the name is not that of a record.
 */
export function profileOfFileName(name: string): string | undefined {
  if (!name.endsWith(SUFFIX)) return undefined;
  const stem = name.slice(0, -SUFFIX.length);
  try {
    return decodeURIComponent(stem);
  } catch {
    return stem;
  }
}

function encode(text: string): string {
  const bytes = Buffer.from(text).toString("latin1");
  return bytes.replace(/[^a-z0-9_-]/g, (byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
