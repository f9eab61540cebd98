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
  readonly janitor: Janitor;
  readonly note: (line: string) => void;
  /** The thread that the arguments name. */
  readonly threadId: string | undefined;
  /** The command that goes on with a thread later, if one does. */
  readonly hint: (threadId: string) => string | undefined;
  /** Undefined: a failure ends the run. */
  readonly again: ((threadId: string, prompt: string) => Again | undefined) | undefined;
}

/** How a run goes on with another credential. */
export interface Again {
  readonly args: readonly string[];
  /** For standard input; undefined: our own. */
  readonly input: string | undefined;
  /** What then goes on, for the person. */
  readonly what: string;
}

/** What is known of one Codex. */
export interface Done {
  readonly since: Date;
  /** The newest credential that it had. */
  readonly granted: Acquired;
  /** Ids of the threads that it had open. */
  readonly threads: readonly string[];
}
