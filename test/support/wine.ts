import { accessSync, constants, mkdtempSync, readFileSync, rmSync, watch } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { type Exit, type Running, run, start } from "./process.mjs";
import { windowsNode } from "./windows-node.mjs";

const ROOT = resolve(import.meta.dirname, "../..");
/** Debian's package wine64 puts it outside of the PATH. */
const WINE = "/usr/lib/wine";
const places = [...(process.env.PATH ?? "").split(delimiter), WINE];
const found = places.map((place) => join(place, "wine64")).find(isExecutable);

/** Whether programs of Windows can be run here. Says loudly if not. */
export function hasWine(): boolean {
  if (found === undefined) console.warn("SKIPPED: what Windows does needs Wine (Debian: wine64)");
  return found !== undefined;
}

/** How a path of this system looks in Wine. */
export function windowsPath(path: string): string {
  return `Z:${path.replaceAll("/", "\\")}`;
}

export interface Finished extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

/** A program of Windows that is running. Its process is one of ours, with the same number here. */
export interface Program {
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Resolves with the match as soon as it has written such a line. Rejects with what it wrote if it ends first. */
  line(pattern: RegExp): Promise<RegExpMatchArray>;
  readonly exited: Promise<Exit>;
  /** Ends it at once, as a crash would. */
  kill(): Promise<Exit>;
}

/** A Windows of its own, with Node in it. */
export class Wine {
  readonly #home: string;
  readonly #node: string;
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #running = new Set<Running>();
  #count = 0;

  private constructor(home: string, node: string, modules: string) {
    this.#home = home;
    this.#node = node;
    this.#env = {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      USER: "tester",
      TZ: "UTC",
      WINEPREFIX: join(home, "prefix"),
      // Where its server has its socket.
      TMPDIR: home,
      WINEDEBUG: "-all",
      // It would offer to install them.
      WINEDLLOVERRIDES: "mscoree,mshtml=",
      // Wine 8 says that it is Windows 7.
      NODE_SKIP_PLATFORM_CHECK: "1",
      NODE_PATH: windowsPath(modules),
    };
  }

  static async open(): Promise<Wine> {
    const { node, modules } = await windowsNode();
    const wine = new Wine(mkdtempSync(join(tmpdir(), "wine-")), node, modules);
    await run(found ?? "wine64", ["wineboot", "-i"], { env: wine.#env });
    return wine;
  }

  async close(): Promise<void> {
    for (const program of this.#running) await program.kill("SIGKILL");
    await run("/bin/sh", ["-c", "wineserver64 -k"], {
      env: { ...this.#env, PATH: `${WINE}:${process.env.PATH}` },
    });
    rmSync(this.#home, { recursive: true, force: true });
  }

  /** Starts `node.exe FILE ARGS`; the file by its path here, or below the project. */
  async start(file: string, args: readonly string[], env: Record<string, string> = {}): Promise<Program> {
    this.#count += 1;
    // Node for Windows cannot write to our pipes (EBADF), only to files.
    const out = join(this.#home, `${this.#count}.out`);
    const err = join(this.#home, `${this.#count}.err`);
    const program = [found ?? "wine64", this.#node, windowsPath(resolve(ROOT, file)), ...args];
    const redirected = [
      "-c",
      'out=$1 err=$2; shift 2; exec "$@" </dev/null >"$out" 2>"$err"',
      "sh",
      out,
      err,
    ];
    const running = await start("/bin/sh", [...redirected, ...program], { env: { ...this.#env, ...env } });
    this.#running.add(running);
    void running.exited.then(() => this.#running.delete(running));
    const stdout = () => readText(out);
    const stderr = () => readText(err);
    return {
      stdout,
      stderr,
      exited: running.exited,
      kill: () => running.kill("SIGKILL"),
      line: (pattern) => lineOf(this.#home, () => `${stdout()}\n${stderr()}`, pattern, running.exited),
    };
  }

  /** Runs it to its end. */
  async run(file: string, args: readonly string[], env?: Record<string, string>): Promise<Finished> {
    const program = await this.start(file, args, env);
    return { ...(await program.exited), stdout: program.stdout(), stderr: program.stderr() };
  }
}

function lineOf(directory: string, text: () => string, pattern: RegExp, exited: Promise<Exit>) {
  return new Promise<RegExpMatchArray>((yes, no) => {
    const look = () => {
      const match = pattern.exec(text());
      if (match === null) return false;
      watcher.close();
      yes(match);
      return true;
    };
    const watcher = watch(directory, look);
    void exited.then(() => {
      if (look()) return;
      watcher.close();
      no(new Error(`ended without ${pattern}: ${text()}`));
    });
    look();
  });
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
