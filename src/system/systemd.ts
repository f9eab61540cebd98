import { native } from "./native.ts";

type Environment = Record<string, string | undefined>;

const FIRST_FD = 3;
const [AF_UNIX, SOCK_DGRAM, SOCK_CLOEXEC, MSG_NOSIGNAL] = [1, 2, 0o2_000_000, 0x4000];

/**
 * The sockets that systemd opened for this process (sd_listen_fds(3)), by their names (`FileDescriptorName=`). Takes the
 * variables out of the environment: they are for nobody else. Empty if there are none, or they are another process's.
 */
export function passedSockets(env: Environment): ReadonlyMap<string, number> {
  const { LISTEN_PID: pid, LISTEN_FDS: count, LISTEN_FDNAMES: names = "" } = env;
  for (const name of ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]) delete env[name];
  if (pid !== String(process.pid) || !/^\d{1,4}$/.test(count ?? "")) return new Map();
  const given = names.split(":");
  return new Map(Array.from({ length: Number(count) }, (_, i) => [given[i] || `fd${i}`, FIRST_FD + i]));
}

/** What tells systemd how the service is (sd_notify(3)). */
export interface ServiceManager {
  /** Such as `READY=1`. False if it could not be told. */
  tell(state: string): boolean;
  /** Milliseconds within which it wants to hear `WATCHDOG=1`; undefined if it does not. */
  readonly watchdogMs: number | undefined;
}

/**
 * The manager that waits to hear of this process, or undefined if none does. A datagram socket, which Node does not
 * have: by native calls, which are loaded with the first thing that is told. Takes the variables out of the environment.
 */
export function serviceManager(env: Environment): ServiceManager | undefined {
  const { NOTIFY_SOCKET: path, WATCHDOG_USEC: usec, WATCHDOG_PID: pid } = env;
  for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) delete env[name];
  if (process.platform !== "linux" || path === undefined || !/^[/@]./.test(path)) return undefined;
  const isOurs = pid === undefined || pid === String(process.pid);
  const watchdogMs = isOurs && /^\d+$/.test(usec ?? "") ? Number(usec) / 1_000 : undefined;
  return { tell: (state) => send(path, state), watchdogMs };
}

function send(path: string, state: string): boolean {
  const calls = native();
  if (calls === undefined) return false;
  const fd = calls.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  try {
    const address = sockaddr(path);
    const data = Buffer.from(state);
    return calls.sendto(fd, data, data.length, MSG_NOSIGNAL, address, address.length) === data.length;
  } finally {
    calls.close(fd);
  }
}

/** `struct sockaddr_un`; a name with `@` is an abstract one, which begins with NUL and has no end. */
function sockaddr(path: string): Buffer {
  const family = Buffer.from(Uint16Array.of(AF_UNIX).buffer);
  const name = path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`;
  return Buffer.concat([family, Buffer.from(name)]);
}
