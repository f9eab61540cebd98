import { EndpointError } from "./error.ts";

/** Where a gRPC server listens: a socket file by its absolute path, or a Windows pipe by its bare name. */
export type Address =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "pipe"; readonly name: string };

const PIPE_PREFIX = "\\\\.\\pipe\\";
const FORMS = "/absolute/path, unix:///path, unix:/path or, on Windows, npipe:name";

/**
 * Reads an address: `/path`, `unix:///path`, `unix:/path`, `npipe:name`, `\\.\pipe\name`. Runs of
 * slashes count as one. Throws `EndpointError` (exit 78) for anything else, and for paths that
 * `checkAddress` refuses.
 */
export function parseAddress(text: string, platform: NodeJS.Platform = process.platform): Address {
  const pipe = /^npipe:(?:\/{4}\.\/pipe\/)?(.*)$/s.exec(text)?.[1] ?? afterPrefix(text, PIPE_PREFIX);
  if (pipe !== undefined) {
    if (!/^[^\\/:]+$/.test(pipe)) throw invalid(text, "a pipe needs a plain name");
    return { kind: "pipe", name: pipe };
  }
  const path = afterPrefix(text, "unix:") ?? text;
  if (path === "") throw invalid(text, "the path is empty");
  if (path.startsWith("@") || path.startsWith("\0") || text.startsWith("unix-abstract:")) {
    throw invalid(text, "abstract sockets have no owner and no permissions");
  }
  if (!path.startsWith("/")) throw invalid(text, "the path is not absolute");
  // `unix://name/path` has an authority, which no socket has.
  if (/^\/\/[^/]/.test(path) && path !== text) throw invalid(text, "write three slashes: unix:///path");
  if (path.endsWith("/")) throw invalid(text, "the path names a directory");
  const address: Address = { kind: "unix", path: path.replace(/\/{2,}/g, "/") };
  checkPath(address.path, platform);
  return address;
}

/**
 * Refuses what this system cannot listen on or connect to: a socket path that the kernel would not
 * take, or Node 20 would cut off without a word (measured), and the other system's kind of address.
 * Throws `EndpointError` (exit 78).
 */
export function checkAddress(address: Address, platform: NodeJS.Platform = process.platform): void {
  if (address.kind === "pipe") {
    if (platform === "win32") return;
    throw new EndpointError(
      78,
      `named pipes exist on Windows only: use a socket path, not npipe:${address.name}`,
    );
  }
  if (platform === "win32") {
    throw new EndpointError(
      78,
      `socket files are not supported on Windows: use npipe:name, not ${address.path}`,
    );
  }
  checkPath(address.path, platform);
}

/** The longest socket path in bytes: `sun_path` without its terminating NUL. */
export function pathLimit(platform: NodeJS.Platform = process.platform): number {
  return platform === "linux" ? 107 : 103;
}

/** What `node:net` takes as `path`. */
export function socketPath(address: Address): string {
  return address.kind === "unix" ? address.path : PIPE_PREFIX + address.name;
}

/** The target for a grpc-js client. Throws as `checkAddress` does. */
export function grpcTarget(address: Address, platform: NodeJS.Platform = process.platform): string {
  checkAddress(address, platform);
  return `unix:${socketPath(address)}`;
}

/** The address as people write it, for messages. */
export function addressText(address: Address): string {
  return address.kind === "unix" ? address.path : `npipe:${address.name}`;
}

function checkPath(path: string, platform: NodeJS.Platform): void {
  if (!path.startsWith("/")) throw invalid(path, "the path is not absolute");
  // grpc-js would not parse a line break, and a NUL would end the path early.
  if ([...path].some((letter) => letter < " ")) throw invalid(path, "the path has control characters");
  const length = Buffer.byteLength(path);
  const limit = pathLimit(platform);
  if (length > limit) {
    throw new EndpointError(
      78,
      `the socket path ${path} has ${length} bytes, and the system takes ${limit} at most; ` +
        "use a shorter one (AUTH_BROKER_HOME or AUTH_BROKER_SOCKET)",
    );
  }
}

function afterPrefix(text: string, prefix: string): string | undefined {
  return text.startsWith(prefix) ? text.slice(prefix.length) : undefined;
}

function invalid(text: string, why: string): EndpointError {
  return new EndpointError(78, `not a usable address: ${JSON.stringify(text)}: ${why}; expected ${FORMS}`);
}
