/** How a process ended. `code` is null if a signal ended it. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Finished extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProcessOptions {
  /** The whole environment; the parent's own if absent. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Written to its standard input, which is then closed. Absent: closed at once, unless `start`ed with `keepStdin`. */
  readonly input?: string;
  readonly keepStdin?: boolean;
}

export interface Running {
  readonly pid: number;
  /** Everything it has written so far. */
  stdout(): string;
  stderr(): string;
  /** Writes one line to its standard input. */
  send(line: string): void;
  /** Writes to its standard input, as it is. */
  type(text: string): void;
  /**
   * Resolves with the match as soon as a line of either stream, past or to come, matches. Rejects
   * with what it wrote if it ends first.
   */
  line(pattern: RegExp): Promise<RegExpMatchArray>;
  readonly exited: Promise<Exit>;
  /** Closes our ends of its standard streams, as if this process were gone. */
  hangUp(): void;
  /** Sends a signal (SIGTERM unless named) and resolves when the process is gone. */
  kill(signal?: NodeJS.Signals): Promise<Exit>;
}

/** Starts a process. It is killed when the parent exits. Rejects if it can't be started. */
export function start(command: string, args: readonly string[], options?: ProcessOptions): Promise<Running>;

/** Runs a process to its end. Never rejects for its exit code. */
export function run(command: string, args: readonly string[], options?: ProcessOptions): Promise<Finished>;
