import { type CodexCall, EPHEMERAL } from "./arguments.ts";
import type { Again, RunSetting } from "./setting.ts";

/** What is run, and how it goes on after a failure. */
export type Plan = Pick<RunSetting, "args" | "again" | "hint" | "threadId">;

/**
 * Whether the threads of a run are the user's. With `--ephemeral` Codex would write none down, and nobody could
 * go on with it or learn why it failed: so it writes them, into a home that goes with the run.
 */
export function keepsThreads(call: CodexCall, failover: boolean): boolean {
  return !(failover && canGoOn(call) && call.isEphemeral);
}

/** Plans the run that a command line asks for; `own` are our arguments. Only `exec` goes on by itself. */
export function planOf(
  call: CodexCall,
  own: readonly string[],
  args: readonly string[],
  failover: boolean,
): Plan {
  const goesOn = failover && canGoOn(call);
  const whole = [...own, ...(keepsThreads(call, failover) ? args : withoutEphemeral(args))];
  const again = (threadId: string, prompt: string): Again | undefined => {
    if (call.subcommand === "review")
      return call.readsPrompt ? undefined : { args: whole, input: undefined, what: "the review" };
    if (prompt === "") return undefined;
    return { args: [...own, ...call.resume(threadId)], input: prompt, what: `thread ${threadId}` };
  };
  return {
    args: whole,
    threadId: call.threadId,
    again: goesOn ? again : undefined,
    hint: (threadId) => (call.isEphemeral ? undefined : laterCommand(call, threadId)),
  };
}

function canGoOn({ command, subcommand }: CodexCall): boolean {
  return command === "exec" && ["", "resume", "fork", "review"].includes(subcommand);
}

function laterCommand({ command }: CodexCall, threadId: string): string {
  return `auth-broker codex -- ${command === "exec" ? "exec resume" : "resume"} ${threadId}`;
}

function withoutEphemeral(args: readonly string[]): readonly string[] {
  const end = args.indexOf("--");
  return args.filter((arg, at) => arg !== EPHEMERAL || (end >= 0 && at > end));
}
