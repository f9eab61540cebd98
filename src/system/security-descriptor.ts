/** A user or group of Windows, in the system's own bytes (MS-DTYP 2.4.2.2). */
export type Sid = Buffer;

const SELF_RELATIVE = 0x8000;
const DACL_PRESENT = 0x0004;
/** Nothing is inherited. */
const DACL_PROTECTED = 0x1000;
/** Every right to a file or pipe, that to make more instances of a pipe among them. */
const FILE_ALL_ACCESS = 0x001f01ff;
const HEADER_BYTES = 20;

/** `S-1-5-21-…`, as people and programs of Windows write it. */
export function sidText(sid: Sid): string {
  const parts = Array.from({ length: sid.readUInt8(1) }, (_, i) => sid.readUInt32LE(8 + 4 * i));
  return ["S", sid.readUInt8(0), sid.readUIntBE(2, 6), ...parts].join("-");
}

/** The SID that begins at `at`, without what follows it. */
export function sidAt(bytes: Buffer, at: number): Sid {
  return bytes.subarray(at, at + 8 + 4 * bytes.readUInt8(at + 1));
}

/** A self-relative security descriptor (MS-DTYP 2.4.6) whose only access list gives everything to one user. */
export function onlyFor(sid: Sid): Buffer {
  const ace = Buffer.alloc(8);
  ace.writeUInt16LE(8 + sid.length, 2);
  ace.writeUInt32LE(FILE_ALL_ACCESS, 4);
  const acl = Buffer.alloc(8);
  acl.writeUInt8(2, 0);
  acl.writeUInt16LE(8 + ace.length + sid.length, 2);
  acl.writeUInt16LE(1, 4);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(1, 0);
  header.writeUInt16LE(SELF_RELATIVE | DACL_PRESENT | DACL_PROTECTED, 2);
  header.writeUInt32LE(HEADER_BYTES, 16);
  return Buffer.concat([header, acl, ace, sid]);
}

/** Undefined if the self-relative descriptor names none. */
export function ownerIn(descriptor: Buffer): Sid | undefined {
  const at = descriptor.readUInt32LE(4);
  return at === 0 ? undefined : sidAt(descriptor, at);
}

/** The access list of a self-relative descriptor; undefined if it has none, so that everybody may do everything. */
export function accessListIn(descriptor: Buffer): Buffer | undefined {
  const at = descriptor.readUInt32LE(16);
  return at === 0 ? undefined : descriptor.subarray(at, at + descriptor.readUInt16LE(at + 2));
}
