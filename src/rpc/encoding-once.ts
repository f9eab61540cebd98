import protobuf, { type Writer } from "protobufjs";
import type { Seconds } from "./instants.ts";
import type { Message } from "./schema.ts";

type Serialize = (message: object) => Buffer;
/** Writes a message's fields behind what stands there. */
type Append = (message: Message, writer: Writer) => Writer;

/** Tags of fields that hold text or a message, of `AcquireCredentialResponse` and `Granted`. */
const LEASE = (1 << 3) | 2;
const CREDENTIAL = (2 << 3) | 2;
/** And of a `WatchCredentialResponse`. */
const GRANTED = (1 << 3) | 2;

const COST_CLASSES: Readonly<Record<string, number>> = {
  COST_CLASS_SUBSCRIPTION: 1,
  COST_CLASS_METERED: 2,
};

/**
 * Encodes what a hand-out gives. Each object that stands as its credential once, so that it must not change: a
 * thousand watchers share the bytes. The lease by hand, because every acquire waits for it: through the schema it
 * takes twice as long (measured). A test compares both.
 */
export function granting(serialize: Serialize): Append {
  const known = new WeakMap<object, Buffer>();
  return ({ lease, credential }, writer) => {
    let bytes = known.get(credential as object);
    if (bytes === undefined) {
      bytes = contentOf(serialize({ credential }));
      known.set(credential as object, bytes);
    }
    writeLease(lease as Message, writer.uint32(LEASE).fork()).ldelim();
    return writer.uint32(CREDENTIAL).bytes(bytes);
  };
}

/** An acquire's answer. */
export function granted(grant: Append): Serialize {
  return (message) => bytesOf(grant(message as Message, protobuf.Writer.create()));
}

/** A watch's message, whose `granted` has the fields of an acquire's answer. */
export function grantedIn(grant: Append, otherwise: Serialize): Serialize {
  return (message) => {
    const { granted } = message as Message;
    if (typeof granted !== "object" || granted === null) return otherwise(message);
    const writer = protobuf.Writer.create().uint32(GRANTED).fork();
    return bytesOf(grant(granted as Message, writer).ldelim());
  };
}

function writeLease(lease: Message, writer: Writer): Writer {
  writer.uint32((1 << 3) | 2).string(lease.leaseId as string);
  writer.uint32((2 << 3) | 2).string(lease.provider as string);
  writer.uint32((3 << 3) | 2).string(lease.profile as string);
  writer.uint32(4 << 3).int32(lease.generation as number);
  if (lease.sessionId !== "") writer.uint32((5 << 3) | 2).string(lease.sessionId as string);
  writeTimestamp(lease.issueTime as Seconds, writer.uint32((6 << 3) | 2).fork()).ldelim();
  writeTimestamp(lease.expireTime as Seconds, writer.uint32((7 << 3) | 2).fork()).ldelim();
  if (lease.trial === true) writer.uint32(8 << 3).bool(true);
  return writer.uint32(9 << 3).int32(COST_CLASSES[lease.costClass as string] ?? 0);
}

function writeTimestamp({ seconds, nanos }: Seconds, writer: Writer): Writer {
  return writer
    .uint32(1 << 3)
    .int64(seconds)
    .uint32(2 << 3)
    .int32(nanos);
}

/** What stands in the one field of a message, without tag and length. */
function contentOf(message: Buffer): Buffer {
  return Buffer.from(protobuf.Reader.create(message).skip(1).bytes());
}

function bytesOf(writer: Writer): Buffer {
  const bytes = writer.finish();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
