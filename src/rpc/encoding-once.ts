import type { Message } from "./schema.ts";

type Serialize = (message: object) => Buffer;
/** Bytes that are one message when they are put in a row. */
type Parts = (message: object) => readonly Buffer[];

/**
 * Encodes a field of a message once for each object that stands in it; such an object must not change.
 * Messages put in a row are one message with the fields of all (protobuf encoding, "Last One Wins").
 */
export function partOnce(field: string, serialize: Serialize): Parts {
  const known = new WeakMap<object, Buffer>();
  return (message) => {
    const { [field]: part, ...others } = message as Message;
    if (typeof part !== "object" || part === null) return [serialize(message)];
    const bytes = known.get(part) ?? serialize({ [field]: part });
    known.set(part, bytes);
    return [serialize(others), bytes];
  };
}

export function joined(parts: Parts): Serialize {
  return (message) => Buffer.concat(parts(message));
}

/** Field 1 of a WatchCredentialResponse, as a message. */
const GRANTED = 0x0a;

/**
 * A watch's message around the parts of an acquire's answer, whose fields its `granted` has: a thousand
 * watchers share one encoded credential.
 */
export function grantedIn(granting: Parts, otherwise: Serialize): Serialize {
  return (message) => {
    const { granted } = message as Message;
    if (typeof granted !== "object" || granted === null) return otherwise(message);
    const parts = granting(granted);
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    return Buffer.concat([Buffer.from([GRANTED, ...varint(length)]), ...parts]);
  };
}

function varint(value: number): readonly number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}
