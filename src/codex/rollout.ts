import { createReadStream, readdirSync } from "node:fs";
import { join } from "node:path";
import { type Fields, fieldsIn, fieldsOf } from "./fields.ts";
import { SESSIONS } from "./home.ts";
import { linesOf } from "./lines.ts";
import { type TurnError, turnErrorOf, type Windows, windowsOf } from "./turn.ts";

/** What came of the last turn of a thread since some moment. */
export interface TurnEnd {
  readonly windows: Windows;
  /** What the user said. Empty: it did not get that far. */
  readonly prompt: string;
  readonly model?: string;
  /** False: no turn has ended. */
  readonly isOver: boolean;
  /** Absent: it went well. */
  readonly error?: TurnError;
}

interface Line {
  readonly atMs: number;
  readonly type: unknown;
  readonly payload: Fields;
}

/** Only these lines are looked at; the others may be long. */
const TELLING = ["token_count", "task_complete", "turn_context", "task_started", "UserMessage"].map(
  (word) => `"${word}"`,
);

/** The rollout of a thread under a home of Codex; undefined if it was never written. */
export function findRollout(home: string, threadId: string): string | undefined {
  const ending = `${threadId}.jsonl`;
  const search = (directory: string, depth: number): string | undefined => {
    // Years, months and days: the newest first.
    const names = entries(directory).sort().reverse();
    if (depth === 0) {
      const name = names.find((one) => one.endsWith(ending));
      return name === undefined ? undefined : join(directory, name);
    }
    for (const name of names) {
      const found = search(join(directory, name), depth - 1);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return search(join(home, SESSIONS), 3);
}

function entries(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** Reads what a rollout says about the time since `since` (format of Codex 0.169, measured). */
export async function readRollout(path: string, since: Date): Promise<TurnEnd> {
  let end: TurnEnd = { windows: {}, prompt: "", isOver: false };
  for await (const bytes of linesOf(createReadStream(path))) {
    const line = TELLING.some((word) => bytes.includes(word)) ? lineOf(bytes.toString("utf8")) : undefined;
    if (line !== undefined && line.atMs >= since.getTime()) end = after(end, line);
  }
  return end;
}

/** The last line of a killed Codex may be cut. */
function lineOf(text: string): Line {
  const { timestamp, type, payload } = fieldsIn(text);
  return { atMs: Date.parse(String(timestamp)), type, payload: fieldsOf(payload) };
}

function after(end: TurnEnd, { type, payload }: Line): TurnEnd {
  if (type === "turn_context")
    return typeof payload.model === "string" ? { ...end, model: payload.model } : end;
  switch (payload.type) {
    case "task_started": {
      const { error: _error, ...rest } = end;
      return { ...rest, prompt: "", isOver: false };
    }
    case "token_count":
      return { ...end, windows: { ...end.windows, ...windowsOf(fieldsOf(payload.rate_limits)) } };
    case "item_completed":
      return { ...end, ...promptOf(fieldsOf(payload.item)) };
    case "task_complete":
      return { ...end, isOver: true, ...errorOf(fieldsOf(payload.error)) };
    default:
      return end;
  }
}

function promptOf({ type, content }: Fields): Pick<TurnEnd, "prompt"> | undefined {
  if (type !== "UserMessage" || !Array.isArray(content)) return undefined;
  const texts = content.map((part) => fieldsOf(part).text).filter((text) => typeof text === "string");
  return { prompt: texts.join("\n") };
}

function errorOf({ message, codex_error_info: info }: Fields): Pick<TurnEnd, "error"> {
  return typeof message === "string" ? { error: turnErrorOf(message, info) } : {};
}
