import { createRequire } from "node:module";
import { setTimeout as pause } from "node:timers/promises";
import { accessListIn, onlyFor, ownerIn, type Sid, sidAt, sidText } from "./security-descriptor.ts";

type Handle = number;

/** Calls of kernel32 and advapi32. All but the first two give 0 for a failure. */
interface Calls {
  readonly open: (path: string, access: number) => Handle;
  readonly lastError: () => number;
  readonly close: (handle: Handle) => number;
  readonly setSecurity: (handle: Handle, which: number, descriptor: Buffer) => number;
  readonly getSecurity: (handle: Handle, which: number, descriptor: Buffer) => number;
  /** A part of this process's token that is one SID; undefined for a failure. */
  readonly ownSid: (part: number) => Sid | undefined;
}

const INVALID = -1;
const [READ_CONTROL, WRITE_DAC, TOKEN_QUERY] = [0x20000, 0x40000, 0x8];
const [OWNER_INFORMATION, DACL_INFORMATION, PROTECTED_DACL] = [0x1, 0x4, 0x80000000];
const [TOKEN_USER, TOKEN_OWNER] = [1, 4];
const [CURRENT_PROCESS, OPEN_EXISTING, ERROR_ACCESS_DENIED] = [-1, 3, 5];
/** Whoever is one of these may do everything anyway. */
const [SYSTEM, ADMINISTRATORS] = ["S-1-5-18", "S-1-5-32-544"];
/** A SID has at most 68 bytes. */
const [SID_BYTES, DESCRIPTOR_BYTES] = [68, 4_096];
/** All instances of a pipe may be taken for a moment. */
const [TRIES, PAUSE_MS] = [100, 10];

/** Who made a pipe. `sid`: absent if that is not for us to know. */
export type PipeOwner = { readonly is: "own" } | { readonly is: "foreign"; readonly sid?: string };

let loaded: Calls | undefined;

/** Whether pipes can be restricted and their owners be told: koffi is there, and this is Windows. */
export function knowsPipes(): boolean {
  try {
    loaded ??= process.platform === "win32" ? load() : undefined;
  } catch {
    // Not installed, or not for this machine: whoever needs it says what that means.
  }
  return loaded !== undefined;
}

/**
 * Leaves a pipe to this process's user alone, with all its instances, those to come too: Windows keeps one access list
 * for a name. What Node gives it lets others read. False without koffi. Rejects if the system refuses.
 */
export async function restrictPipe(path: string): Promise<boolean> {
  if (!knowsPipes() || loaded === undefined) return false;
  const calls = loaded;
  const user = calls.ownSid(TOKEN_USER);
  const handle = user && (await open(calls, path, READ_CONTROL | WRITE_DAC));
  if (user === undefined || handle === undefined) throw refused(calls, path);
  try {
    const wanted = onlyFor(user);
    if (calls.setSecurity(handle, DACL_INFORMATION | PROTECTED_DACL, wanted) === 0)
      throw refused(calls, path);
    const found = descriptorOf(calls, handle, DACL_INFORMATION);
    const isSet = found !== undefined && accessListIn(wanted)?.equals(accessListIn(found) ?? Buffer.alloc(0));
    if (isSet !== true) throw refused(calls, path);
    return true;
  } finally {
    calls.close(handle);
  }
}

/**
 * Whose a pipe is. Nobody can give one to another user, so a stranger who took the name first is found out. As long as
 * a connection to it is open, the answer is about that connection's pipe. Undefined without koffi. Rejects if the pipe
 * cannot be looked at.
 */
export async function pipeOwner(path: string): Promise<PipeOwner | undefined> {
  if (!knowsPipes() || loaded === undefined) return undefined;
  const calls = loaded;
  const handle = await open(calls, path, READ_CONTROL);
  if (handle === undefined && calls.lastError() === ERROR_ACCESS_DENIED) return { is: "foreign" };
  if (handle === undefined) throw refused(calls, path);
  try {
    const descriptor = descriptorOf(calls, handle, OWNER_INFORMATION);
    const owner = descriptor && ownerIn(descriptor);
    if (owner === undefined) throw refused(calls, path);
    const own = [TOKEN_USER, TOKEN_OWNER].flatMap((part) => calls.ownSid(part) ?? []).map(sidText);
    const sid = sidText(owner);
    return [SYSTEM, ADMINISTRATORS, ...own].includes(sid) ? { is: "own" } : { is: "foreign", sid };
  } finally {
    calls.close(handle);
  }
}

/** Undefined if the pipe cannot be opened; `lastError` says why. */
async function open(calls: Calls, path: string, access: number): Promise<Handle | undefined> {
  for (let left = TRIES; ; left -= 1) {
    const handle = calls.open(path, access);
    if (handle !== INVALID) return handle;
    if (left === 0 || calls.lastError() === ERROR_ACCESS_DENIED) return undefined;
    await pause(PAUSE_MS);
  }
}

function descriptorOf(calls: Calls, handle: Handle, which: number): Buffer | undefined {
  const descriptor = Buffer.alloc(DESCRIPTOR_BYTES);
  return calls.getSecurity(handle, which, descriptor) === 0 ? undefined : descriptor;
}

function refused(calls: Calls, path: string): Error {
  return new Error(`Windows does not let us look at, or restrict, ${path} (error ${calls.lastError()})`);
}

function load(): Calls {
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  const [kernel, advapi] = [koffi.load("kernel32.dll"), koffi.load("advapi32.dll")];
  const createFile = kernel.func(
    "intptr_t __stdcall CreateFileW(str16 path, uint32_t access, uint32_t share, void *security, uint32_t how, uint32_t flags, intptr_t template)",
  );
  const closeHandle = kernel.func("int __stdcall CloseHandle(intptr_t handle)");
  const openToken = advapi.func(
    "int __stdcall OpenProcessToken(intptr_t process, uint32_t access, _Out_ intptr_t *token)",
  );
  const tokenInformation = advapi.func(
    "int __stdcall GetTokenInformation(intptr_t token, int part, void *value, uint32_t length, _Out_ uint32_t *needed)",
  );
  const getSecurity = advapi.func(
    "int __stdcall GetKernelObjectSecurity(intptr_t handle, uint32_t which, void *descriptor, uint32_t length, _Out_ uint32_t *needed)",
  );
  return {
    open: (path, access) => createFile(path, access, 0, null, OPEN_EXISTING, 0, 0),
    lastError: kernel.func("uint32_t __stdcall GetLastError()"),
    close: closeHandle,
    setSecurity: advapi.func(
      "int __stdcall SetKernelObjectSecurity(intptr_t handle, uint32_t which, void *descriptor)",
    ),
    getSecurity: (handle, which, into) => getSecurity(handle, which, into, into.length, [0]),
    ownSid: (part) => {
      const token = [INVALID];
      if (openToken(CURRENT_PROCESS, TOKEN_QUERY, token) === 0) return undefined;
      // Begins with a pointer to the SID, which lies further on in the same bytes.
      const value = Buffer.alloc(1_024);
      const isThere = tokenInformation(token[0], part, value, value.length, [0]) !== 0;
      closeHandle(token[0]);
      if (!isThere) return undefined;
      const bytes: Uint8Array = koffi.decode(
        koffi.decode(value, "void *"),
        koffi.array("uint8_t", SID_BYTES, "Typed"),
      );
      return sidAt(Buffer.from(bytes), 0);
    },
  };
}
