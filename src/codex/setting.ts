import type { Acquired, Broker } from "../client/index.ts";
import type { Janitor } from "./janitor.ts";

/** All that one run needs; it goes on over several accounts. */
export interface RunSetting {
  readonly broker: Broker;
  readonly program: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** The private home, linked already. */
  readonly home: string;
  readonly userHome: string;
  readonly janitor: Janitor;
  readonly note: (line: string) => void;
  /** The thread that the arguments name. */
  readonly threadId: string | undefined;
  /** The arguments that go on with a thread; undefined: a failure ends the run. */
  readonly resumed: ((threadId: string) => readonly string[]) | undefined;
}

/** How one Codex ended. */
export interface Ending {
  readonly code: number;
  readonly since: Date;
  /** The newest credential that it had. */
  readonly granted: Acquired;
  /** Ids of the threads that it had open. */
  readonly threads: readonly string[];
}
