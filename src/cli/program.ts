import { Command } from "commander";
import { VERSION } from "../package.ts";
import { commandErrorOf, isHelpShown } from "./command-error.ts";
import { errorLine, errorLines } from "./error-text.ts";
import { guardStreams, printError } from "./output.ts";

interface Entry {
  readonly summary: string;
  /** Adds arguments, options and action. Each command loads only what it needs. */
  readonly define: () => Promise<(command: Command) => void>;
}

const COMMANDS: Readonly<Record<string, Entry>> = {
  serve: {
    summary: "run the broker in the foreground",
    define: async () => (await import("./serve.ts")).defineServe,
  },
  status: {
    summary: "show what the broker has, at a glance",
    define: async () => (await import("./status.ts")).defineStatus,
  },
  profiles: {
    summary: "list, add, order and mend profiles",
    define: async () => (await import("./profiles.ts")).defineProfiles,
  },
  providers: {
    summary: "list the providers that are known, and what each takes",
    define: async () => (await import("./providers.ts")).defineProviders,
  },
  login: {
    summary: "log an account in, or every one that needs it",
    define: async () => (await import("./login.ts")).defineLogin,
  },
  logout: {
    summary: "end a login at the provider and remove its profile",
    define: async () => (await import("./logout.ts")).defineLogout,
  },
  usage: {
    summary: "show what the accounts have used, and when it comes back",
    define: async () => (await import("./usage.ts")).defineUsage,
  },
  import: {
    summary: "take over the logins of Codex, OpenClaw, Claude Code and Gemini CLI",
    define: async () => (await import("./import.ts")).defineImport,
  },
  acquire: {
    summary: "get a lease and a credential",
    define: async () => (await import("./acquire.ts")).defineAcquire,
  },
  token: {
    summary: "print a bare token, for settings that name a helper command",
    define: async () => (await import("./token.ts")).defineToken,
  },
  report: {
    summary: "tell what came of a request made under a lease",
    define: async () => (await import("./report.ts")).defineReport,
  },
  explain: {
    summary: "show which profile would be chosen, and why",
    define: async () => (await import("./explain.ts")).defineExplain,
  },
  "explain-response": {
    summary: "show what the broker reads out of a provider's answer, and by which rule",
    define: async () => (await import("./explain-response.ts")).defineExplainResponse,
  },
  watch: {
    summary: "follow the credential of a provider, or all profiles",
    define: async () => (await import("./watch.ts")).defineWatch,
  },
  run: {
    summary: "run a program with a credential in its environment",
    define: async () => (await import("./run.ts")).defineRun,
  },
  codex: {
    summary: "run Codex on a credential of the broker",
    define: async () => (await import("./codex.ts")).defineCodex,
  },
  openclaw: {
    summary: "let OpenClaw ask the broker",
    define: async () => (await import("./openclaw.ts")).defineOpenclaw,
  },
  audit: {
    summary: "show who asked for what, and check that nobody changed that log",
    define: async () => (await import("./audit.ts")).defineAudit,
  },
  key: {
    summary: "show, rotate, export and restore the key that seals the state",
    define: async () => (await import("./key.ts")).defineKey,
  },
  lock: {
    summary: "put key and logins away while the broker runs",
    define: async () => (await import("./lock.ts")).defineLock,
  },
  unlock: {
    summary: "take them back",
    define: async () => (await import("./lock.ts")).defineUnlock,
  },
  doctor: {
    summary: "look for what is wrong, with or without a running broker",
    define: async () => (await import("./doctor.ts")).defineDoctor,
  },
  config: {
    summary: "check config.json, print its JSON Schema, or show where everything lies",
    define: async () => (await import("./config.ts")).defineConfig,
  },
};

const EXITS = `
Exit codes:
  0 done · 64 called wrongly · 65 a file is not in its format · 66 no such file · 69 no broker there
  70 unexpected · 74 the state cannot be read or written · 75 try again later · 77 no permission
  78 something must be set up, mended or logged in first · of run and codex: the program's own

Example:
  $ auth-broker serve &
  $ auth-broker import
  $ auth-broker token openai-codex`;

/**
 * Runs one command line and resolves when it is done; the exit code is then in `process.exitCode`.
 * Never rejects.
 */
export async function main(args: readonly string[]): Promise<void> {
  guardStreams();
  let program: Command | undefined;
  try {
    program = await programFor(args);
    await program.parseAsync(args, { from: "user" });
  } catch (thrown) {
    fail(thrown, args, program);
  }
}

/** All commands by name; those that are named in `args` whole. */
async function programFor(args: readonly string[]): Promise<Command> {
  const program = new Command("auth-broker")
    .description("Hands out the next usable credential of the accounts on this machine.")
    .version(VERSION)
    .helpOption("-h, --help", "show help")
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .addHelpText("after", EXITS);
  for (const [name, { summary, define }] of Object.entries(COMMANDS)) {
    const command = program.command(name).description(summary);
    if (args.includes(name)) (await define())(command);
  }
  return program;
}

/** The call for help with the command that the arguments name: `auth-broker profiles add --help`. */
function usageOf(args: readonly string[], program: Command | undefined): string {
  const names = ["auth-broker"];
  let command = program;
  for (const arg of args) {
    command = command?.commands.find((one) => one.name() === arg);
    if (command === undefined) break;
    names.push(arg);
  }
  return `${names.join(" ")} --help`;
}

function fail(thrown: unknown, args: readonly string[], program: Command | undefined): void {
  const [name = ""] = args;
  const error = commandErrorOf(thrown, usageOf(args, program));
  if (error === undefined) return;
  process.exitCode = error.exit;
  if (isHelpShown(thrown)) return;
  const own = args.includes("--") ? args.slice(0, args.indexOf("--")) : args;
  const nowMs = Date.now();
  // Programs that call a helper command show one line of what it says.
  const lines = name === "token" ? [errorLine(error, nowMs)] : errorLines(error, nowMs);
  printError(error, lines, own.includes("--json"));
}
