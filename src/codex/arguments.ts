/** What a command line of Codex 0.169 asks for. */
export interface CodexCall {
  /** `""` is the terminal interface; a prompt is no command. */
  readonly command: string;
  /** `resume` of `exec resume`, `status` of `login status`; empty if there is none. */
  readonly subcommand: string;
  readonly model?: string;
  /** The thread that is resumed, where it is named by its id. */
  readonly threadId?: string;
  readonly isHelp: boolean;
  /** An app-server that speaks with its client on standard input and output. */
  readonly isAppServer: boolean;
  /** The directory that Codex is to work in, where it is named. */
  readonly directory?: string;
  /** Which threads it chooses the last one from, if it does so. */
  readonly last: "" | "here" | "all";
  /** Its thread is not to be kept. */
  readonly isEphemeral: boolean;
  /** A prompt is read from standard input. */
  readonly readsPrompt: boolean;
  /** Keys of `-c` in the order given. */
  readonly overrides: readonly string[];
  /** The same call with the id of a thread in place of `--last`. */
  named(threadId: string): readonly string[];
  /** The same call, to go on with a thread that is kept; the prompt is read from standard input. */
  resume(threadId: string): readonly string[];
}

const ALIASES: Readonly<Record<string, string>> = { e: "exec", a: "apply" };
const COMMANDS: readonly string[] = [
  ...["agents", "exec", "review", "login", "logout", "mcp", "plugin", "app-server", "remote-control"],
  ...["completion", "update", "doctor", "sandbox", "debug", "apply", "resume", "queue", "archive", "delete"],
  ...["migrate-rollouts", "migrate-nfs-db", "unarchive", "fork", "cloud", "exec-server", "features", "help"],
];
const SUBCOMMANDS: Readonly<Record<string, readonly string[]>> = {
  exec: ["resume", "fork", "review", "help"],
  login: ["status", "help"],
  "app-server": ["daemon", "proxy", "generate-ts", "generate-json-schema", "help"],
};
/** Options whose value is the next argument. */
const WITH_VALUE = new Set([
  ...["-c", "--config", "--enable", "--disable", "--remote", "--remote-auth-token-env", "-m", "--model"],
  ...["--local-provider", "-p", "--profile", "-s", "--sandbox", "-C", "--cd", "--add-dir"],
  ...["-a", "--ask-for-approval", "--thread-source", "--cyber-access-program", "--color"],
  ...["--output-schema", "-o", "--output-last-message"],
  ...["--listen", "--startup-client-info", "--cloud-skills-snapshot", "--code-mode-host", "--ws-auth"],
  ...["--ws-token-file", "--ws-token-sha256", "--ws-shared-secret-file", "--ws-issuer", "--ws-audience"],
  ...["--ws-max-clock-skew-seconds", "--base", "--commit", "--title"],
]);
/** Options that take every argument up to the next option. */
const WITH_VALUES = new Set(["-i", "--image"]);
const LAST = "--last";
const ALL = "--all";
/** Options that say which thread is meant. */
const CHOOSING = new Set([LAST, ALL]);
export const EPHEMERAL = "--ephemeral";
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** One part of a command line: an option with its value, a command, or any other word. */
interface Piece {
  readonly kind: "option" | "command" | "word";
  readonly name: string;
  readonly value?: string;
  /** As it was written. */
  readonly written: readonly string[];
}

/** Reads a command line of Codex as Codex does. Unknown options count as having no value. */
export function readCall(args: readonly string[]): CodexCall {
  const pieces = piecesOf(args);
  const named = (kind: Piece["kind"], ...names: readonly string[]) =>
    pieces.filter((piece) => piece.kind === kind && (names.length === 0 || names.includes(piece.name)));
  const [command = "", subcommand = ""] = named("command").map(({ name }) => name);
  const model = named("option", "-m", "--model").at(-1)?.value;
  const directory = named("option", "-C", "--cd").at(-1)?.value;
  const threadId = named("word").find(({ name }) => UUID.test(name))?.name;
  const listens = named("option", "--listen").at(-1)?.value ?? "stdio://";
  const isResume = command === "resume" || subcommand === "resume";
  return {
    command,
    subcommand,
    ...(model !== undefined && { model }),
    ...(isResume && threadId !== undefined && { threadId }),
    isHelp: named("option", "-h", "--help", "-V", "--version").length > 0,
    isAppServer: command === "app-server" && subcommand === "" && listens === "stdio://",
    ...(directory !== undefined && { directory }),
    last: named("option", LAST).length === 0 ? "" : named("option", ALL).length === 0 ? "here" : "all",
    isEphemeral: named("option", EPHEMERAL).length > 0,
    readsPrompt: named("word", "-").length > 0,
    overrides: named("option", "-c", "--config").map(({ value = "" }) => value.split("=", 1).join().trim()),
    named: (id) => pieces.flatMap((piece) => withThread(piece, id)),
    resume: (id) => [...withoutPrompt(pieces), ...(subcommand === "" ? ["resume"] : []), id, "-"],
  };
}

/** The id is the first word after the command. */
function withThread({ kind, name, written }: Piece, id: string): readonly string[] {
  if (kind === "command" && (name === "resume" || name === "fork")) return [...written, id];
  return kind === "option" && CHOOSING.has(name) ? [] : written;
}

/** Images are part of the thread by the time it is resumed, and so is what it was forked from. */
function withoutPrompt(pieces: readonly Piece[]): readonly string[] {
  const kept = pieces.filter(
    ({ kind, name }) =>
      kind !== "word" && !CHOOSING.has(name) && !WITH_VALUES.has(name) && name !== EPHEMERAL,
  );
  return kept.flatMap(({ kind, name, written }) =>
    kind === "command" && name === "fork" ? ["resume"] : written,
  );
}

function piecesOf(args: readonly string[]): readonly Piece[] {
  const pieces: Piece[] = [];
  let commands: readonly string[] = COMMANDS;
  for (let at = 0; at < args.length; ) {
    const arg = args[at] ?? "";
    if (arg === "--") return [...pieces, { ...word(""), written: [arg] }, ...args.slice(at + 1).map(word)];
    const piece = optionIn(args.slice(at)) ?? commandIn(arg, commands) ?? word(arg);
    pieces.push(piece);
    at += piece.written.length;
    if (piece.kind === "command") commands = SUBCOMMANDS[piece.name] ?? [];
    if (piece.kind === "word") commands = [];
  }
  return pieces;
}

function optionIn([arg = "", ...rest]: readonly string[]): Piece | undefined {
  if (!arg.startsWith("-") || arg === "-") return undefined;
  const [, name = arg, value] = /^(--[^=]+)=(.*)$/s.exec(arg) ?? /^(-\w)=?(.+)$/s.exec(arg) ?? [];
  if (value !== undefined) return { kind: "option", name, value, written: [arg] };
  if (WITH_VALUE.has(arg)) {
    const [next] = rest;
    return {
      kind: "option",
      name,
      ...(next !== undefined && { value: next }),
      written: [arg, ...rest.slice(0, 1)],
    };
  }
  const end = WITH_VALUES.has(arg) ? rest.findIndex((next) => next.startsWith("-")) : 0;
  return { kind: "option", name, written: [arg, ...rest.slice(0, end < 0 ? undefined : end)] };
}

function commandIn(arg: string, commands: readonly string[]): Piece | undefined {
  const name = commands === COMMANDS ? (ALIASES[arg] ?? arg) : arg;
  return commands.includes(name) ? { kind: "command", name, written: [arg] } : undefined;
}

function word(arg: string): Piece {
  return { kind: "word", name: arg, written: [arg] };
}
