import { createRequire } from "node:module";

/** Calls of the C library that Node does not offer. Each gives what the C function gives; -1 is a failure. */
export interface Native {
  readonly getsockopt: (fd: number, level: number, option: number, value: Buffer, length: Buffer) => number;
  readonly close: (fd: number) => number;
  readonly prctl: (option: number, a: number, b: number, c: number, d: number) => number;
  readonly setrlimit: (resource: number, limits: Buffer) => number;
  readonly socket: (domain: number, type: number, protocol: number) => number;
  readonly sendto: (
    fd: number,
    data: Buffer,
    length: number,
    flags: number,
    address: Buffer,
    addressLength: number,
  ) => number;
}

let loaded: Native | undefined;
let isTried = false;

/**
 * The C library through koffi, an optional dependency: loaded with the first call, which takes 20 ms
 * (measured), so nobody calls this on the way to the readiness who can do without. Undefined where koffi is not
 * installed or does not load, and on Windows.
 */
export function native(): Native | undefined {
  if (isTried) return loaded;
  isTried = true;
  try {
    loaded = process.platform === "win32" ? undefined : load();
  } catch {
    // Not installed, or not for this machine: whoever needs it says what that means.
  }
  return loaded;
}

/** Whether the calls are at hand without loading anything. */
export function isNativeLoaded(): boolean {
  return loaded !== undefined;
}

function load(): Native {
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  const c = koffi.load(null);
  return {
    getsockopt: c.func("int getsockopt(int fd, int level, int option, void *value, void *length)"),
    close: c.func("int close(int fd)"),
    // Only Linux has it; looked up when it is wanted.
    prctl: (...args) =>
      c.func("int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)")(
        ...args,
      ),
    setrlimit: c.func("int setrlimit(int resource, void *limits)"),
    socket: c.func("int socket(int domain, int type, int protocol)"),
    sendto: c.func(
      "long sendto(int fd, void *data, size_t length, int flags, void *address, unsigned int addressLength)",
    ),
  };
}
