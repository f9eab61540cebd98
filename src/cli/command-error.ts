import { CommanderError } from "commander";
import { BrokerFailure, describe } from "../domain/failure.ts";
import { exitCodeOf } from "../rpc/exit.ts";
import type { RemoteFailure } from "../rpc/remote.ts";
import type { CodeName } from "../rpc/status.ts";

type Details = Partial<Omit<RemoteFailure, "message">>;

/** The gRPC code that a failure has which no broker reported, by its exit code. */
const CODES: Readonly<Record<number, CodeName>> = {
  64: "INVALID_ARGUMENT",
  65: "INVALID_ARGUMENT",
  66: "NOT_FOUND",
  69: "UNAVAILABLE",
  74: "UNAVAILABLE",
  75: "UNAVAILABLE",
  77: "PERMISSION_DENIED",
  78: "FAILED_PRECONDITION",
};

/** Why a command did not do as asked: the exit code (after sysexits.h) and what to tell about it. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly exit: number;
  readonly code: CodeName;
  /** Of a broker's `ErrorInfo`, or empty. */
  readonly reason: string;
  /** What to do next; empty if nothing is known that helps. */
  readonly help: string;
  readonly retryTime: Date | undefined;
  readonly profiles: RemoteFailure["profiles"];

  constructor(exit: number, message: string, details: Details = {}) {
    super(message);
    this.exit = exit;
    this.code = details.code ?? CODES[exit] ?? "INTERNAL";
    this.reason = details.reason ?? "";
    this.help = details.help ?? "";
    this.retryTime = details.retryTime;
    this.profiles = details.profiles ?? [];
  }
}

/** A value on the command line, or in what was read, that cannot be meant. */
export function invalid(message: string, help = ""): CommandError {
  return new CommandError(64, message, { reason: "FIELD_INVALID", help });
}

/**
 * Whatever was thrown, as the command's end. `undefined`: the help or the version was asked for.
 * `usage`: the command that tells how to call what was called wrongly.
 */
export function commandErrorOf(thrown: unknown, usage = "auth-broker --help"): CommandError | undefined {
  if (thrown instanceof CommandError) return thrown;
  if (thrown instanceof CommanderError) return usageError(thrown, usage);
  if (thrown instanceof BrokerFailure && thrown.failure.kind === "field_invalid") {
    return invalid(describe(thrown.failure));
  }
  if (thrown instanceof BrokerFailure && thrown.failure.kind === "store_unavailable") {
    return new CommandError(74, describe(thrown.failure), { reason: "STORE_UNAVAILABLE" });
  }
  if (!(thrown instanceof Error)) return new CommandError(70, "unexpected error");
  return ofOwnKind(thrown as Described) ?? new CommandError(70, `unexpected error: ${thrown.message}`);
}

/** The help for a command that was called wrongly has been printed by then. */
export function isHelpShown(thrown: unknown): boolean {
  return thrown instanceof CommanderError && thrown.code === "commander.help";
}

function usageError(thrown: CommanderError, help: string): CommandError | undefined {
  if (thrown.exitCode === 0) return undefined;
  const reason = thrown.code === "commander.invalidArgument" ? "FIELD_INVALID" : "";
  // Somebody may have tried to give a secret to an option that takes none.
  const message = thrown.message.replace(/^error: /, "").replace(/'(--[\w-]+)=[^']*'/, "'$1'");
  return new CommandError(64, message, { reason, help });
}

interface Described extends Error {
  readonly [key: string]: unknown;
}

/** Known by name and shape, because loading the classes would load what throws them. */
function ofOwnKind(error: Described): CommandError | undefined {
  switch (error.name) {
    case "ImportError":
    case "EndpointError":
      return new CommandError(Number(error.exit), error.message);
    case "LaunchError":
    case "OpenclawError":
      return new CommandError(Number(error.exit), error.message, { help: String(error.help) });
    case "BrokerError":
      return ofBroker(error as Described & Omit<RemoteFailure, "message">);
    case "ConfigError":
      return new CommandError(78, error.message, { help: schemaHelp(error.problems) });
    case "StoreError":
      return new CommandError(storeExit(error.code), `${error.message} (${error.path})`, {
        help: String(error.mend),
      });
    default:
      return undefined;
  }
}

/** The schema tells what may stand at a place; about a file that is no JSON at all it says nothing. */
function schemaHelp(problems: unknown): string {
  const isPlaced = (problems as readonly { readonly path: string }[]).some(({ path }) => path !== "");
  return isPlaced ? "auth-broker config schema" : "";
}

function ofBroker(error: Error & Omit<RemoteFailure, "message">): CommandError {
  const exit = exitCodeOf(error);
  const { code, reason, help = exit === 69 ? "auth-broker serve" : "", retryTime, profiles } = error;
  return new CommandError(exit, error.message, {
    code,
    reason,
    help,
    profiles,
    ...(retryTime && { retryTime }),
  });
}

function storeExit(code: unknown): number {
  if (code === "locked") return 75;
  return code === "other_source" ? 78 : 74;
}
