import { spawn } from "node:child_process";

/**
 * Reads the id of the running Codex, an empty line when there is none. Its input ends with this
 * process, however that comes about: then Codex is ended and its home removed.
 */
const SCRIPT = `
trap '' HUP INT QUIT TERM
child=
while IFS= read -r line; do child=$line; done
[ -n "$child" ] && kill -TERM "$child" 2>/dev/null
rm -rf -- "$1"
[ -n "$child" ] || exit 0
for wait in 1 2 3 4 5; do kill -0 "$child" 2>/dev/null || break; sleep 1; done
kill -KILL "$child" 2>/dev/null
rm -rf -- "$1"`;

/** Sees to what is left if this process is killed. */
export interface Janitor {
  /** Which process to end then. */
  watches(pid: number | undefined): void;
  /** Not needed any more. */
  dismiss(): void;
}

/** A process that costs next to nothing, because a killed process cannot tidy up. None on Windows. */
export function hireJanitor(home: string): Janitor {
  if (process.platform === "win32") return { watches: () => {}, dismiss: () => {} };
  const janitor = spawn("/bin/sh", ["-c", SCRIPT, "sh", home], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
    env: { PATH: "/usr/bin:/bin" },
  });
  janitor.on("error", () => {});
  janitor.stdin.on("error", () => {});
  janitor.unref();
  return {
    watches: (pid) => void janitor.stdin.write(`${pid ?? ""}\n`),
    dismiss: () => void janitor.stdin.end("\n"),
  };
}
