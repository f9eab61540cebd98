import { formatTimestamp, timestampOf } from "../rpc/instants.ts";
import type { CommandError } from "./command-error.ts";

const STYLES = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39] } as const;
export type Style = keyof typeof STYLES;

const gone = new AbortController();
/** Aborts when nobody reads standard output any more; what is printed then is dropped. */
export const readerGone: AbortSignal = gone.signal;

/**
 * Makes a reader that went away (`auth-broker … | head -1`) an ordinary thing: the command does what
 * it has to do and prints no more. Any other failure to write, such as a full disk, ends it with 74.
 */
export function guardStreams(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    gone.abort();
    if (error.code === "EPIPE") return;
    process.stderr.write(`auth-broker: the output cannot be written (${error.code})\n`);
    process.exitCode = 74;
  });
  process.stderr.on("error", () => {});
}

/** One or more lines of result. */
export function print(text: string): void {
  if (!gone.signal.aborted) process.stdout.write(`${text}\n`);
}

/** Prints pictures of which each takes the place of the one before; not on a terminal, one after the other. */
export function redraw(): (picture: string) => void {
  let lines = 0;
  return (picture) => {
    if (picture === "") return;
    const back = process.stdout.isTTY && lines > 0 ? `\u001b[${lines}F\u001b[0J` : lines > 0 ? "\n" : "";
    print(back + picture);
    lines = picture.split("\n").length;
  };
}

/** A result as JSON: on one line unless a person reads it. */
export function printJson(value: unknown): void {
  print(jsonText(value, process.stdout.isTTY ? 2 : undefined));
}

/** One message of a stream, always on one line. */
export function printJsonLine(value: unknown): void {
  print(jsonText(value));
}

/** A remark that is no result. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Columns of the terminal that standard output is; undefined if it is none. */
export function terminalWidth(): number | undefined {
  if (!process.stdout.isTTY) return undefined;
  const asked = Number(process.env.COLUMNS);
  return Number.isInteger(asked) && asked > 0 ? asked : process.stdout.columns;
}

/** Colours a text where colour can be seen and is wanted (no-color.org). */
export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  if (!stream.isTTY || process.env.NO_COLOR || process.env.TERM === "dumb") return text;
  const [on, off] = STYLES[style];
  return `\u001b[${on}m${text}\u001b[${off}m`;
}

/** A text from elsewhere without what could drive a terminal or hide what stands there. */
export function plain(text: string): string {
  // Controls, what is not seen (directions among it), and breaks of lines and paragraphs.
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "?");
}

/** JSON whose texts reach the reader as they are and the terminal as escapes; the same marks as in `plain`. */
function jsonText(value: unknown, indent?: number): string {
  const text = JSON.stringify(value, undefined, indent);
  // JSON has escaped the rest, and what is left of it stands between the texts.
  return text.replace(
    /[\u007f-\u009f\p{Cf}\u2028\u2029]/gu,
    // By code units: some marks are pairs of them.
    (mark) => mark.replace(/[\s\S]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`),
  );
}

/** A failure on standard error: for programs as JSON, else with what to do next. */
export function printError(error: CommandError, lines: readonly string[], asJson: boolean): void {
  if (asJson) process.stderr.write(`${jsonText(errorJson(error))}\n`);
  else for (const line of lines) process.stderr.write(`${line}\n`);
}

function errorJson({ code, reason, message, retryTime, help, profiles }: CommandError): unknown {
  return {
    code,
    reason,
    message,
    retryTime: instant(retryTime),
    help,
    profiles: profiles.map(({ profile, reason: why, untilTime }) => ({
      profile,
      reason: why,
      untilTime: instant(untilTime),
    })),
  };
}

/** As proto3 JSON prints it. */
function instant(at: Date | undefined): string | null {
  return at === undefined ? null : formatTimestamp(timestampOf(at.getTime()));
}
