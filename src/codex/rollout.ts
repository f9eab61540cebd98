import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";

/** One usage window as Codex writes it down. */
export interface RolloutWindow {
  readonly usedPercent: number;
  readonly windowMinutes?: number;
  readonly resetsAtSec?: number;
}

/** What came of the last turn of a thread since some moment. */
export interface TurnEnd {
  readonly windows: Readonly<Record<string, RolloutWindow>>;
  /** What the user said. Empty: it did not get that far. */
  readonly prompt: string;
  readonly model?: string;
  /** False: no turn has ended. */
  readonly isOver: boolean;
  /** Absent: it went well. `code` such as `usage_limit_exceeded`. */
  readonly error?: { readonly code: string; readonly message: string; readonly httpStatus?: number };
}

const Window = z.object({
  used_percent: z.number(),
  window_minutes: z.number().nullish(),
  resets_at: z.number().nullish(),
});
const ErrorInfo = z.union([
  z.string(),
  z.record(z.string(), z.object({ http_status_code: z.number().nullish() }).nullish()),
]);
const Line = z.object({
  timestamp: z.string(),
  type: z.string(),
  payload: z.object({
    type: z.string().optional(),
    model: z.string().optional(),
    rate_limits: z.object({ primary: Window.nullish(), secondary: Window.nullish() }).nullish(),
    error: z.object({ message: z.string(), codex_error_info: ErrorInfo.nullish() }).nullish(),
    item: z
      .object({
        type: z.string(),
        content: z.array(z.object({ type: z.string(), text: z.string().optional() })).optional(),
      })
      .optional(),
  }),
});
type Line = z.infer<typeof Line>;

/** Only these lines are looked at; the others may be long. */
const TELLING = /"(?:token_count|task_complete|turn_context|task_started|UserMessage)"/;

/** The rollout of a thread under the user's home; undefined if it was never written. */
export async function findRollout(userHome: string, threadId: string): Promise<string | undefined> {
  const ending = `${threadId}.jsonl`;
  const search = async (directory: string, depth: number): Promise<string | undefined> => {
    // Years, months and days: the newest first.
    const names = (await readdir(directory).catch(() => [])).sort().reverse();
    if (depth === 0) {
      const name = names.find((one) => one.endsWith(ending));
      return name === undefined ? undefined : join(directory, name);
    }
    for (const name of names) {
      const found = await search(join(directory, name), depth - 1);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return search(join(userHome, "sessions"), 3);
}

/** Reads what a rollout says about the time since `since` (format of Codex 0.169, measured). */
export async function readRollout(path: string, since: Date): Promise<TurnEnd> {
  let end: TurnEnd = { windows: {}, prompt: "", isOver: false };
  for await (const text of createInterface({
    input: createReadStream(path),
    crlfDelay: Number.POSITIVE_INFINITY,
  })) {
    const line = TELLING.test(text) ? lineOf(text) : undefined;
    if (line !== undefined && Date.parse(line.timestamp) >= since.getTime()) end = after(end, line);
  }
  return end;
}

function lineOf(text: string): Line | undefined {
  try {
    return Line.safeParse(JSON.parse(text)).data;
  } catch {
    // The last line of a killed Codex may be cut.
    return undefined;
  }
}

function after(end: TurnEnd, { type, payload }: Line): TurnEnd {
  if (type === "turn_context") return payload.model === undefined ? end : { ...end, model: payload.model };
  switch (payload.type) {
    case "task_started":
      return {
        windows: end.windows,
        ...(end.model !== undefined && { model: end.model }),
        prompt: "",
        isOver: false,
      };
    case "token_count":
      return { ...end, windows: { ...end.windows, ...windowsOf(payload.rate_limits) } };
    case "item_completed":
      return payload.item?.type === "UserMessage" ? { ...end, prompt: promptOf(payload.item.content) } : end;
    case "task_complete":
      return { ...end, isOver: true, ...errorOf(payload.error) };
    default:
      return end;
  }
}

function windowsOf(limits: Line["payload"]["rate_limits"]): TurnEnd["windows"] {
  const windows: Record<string, RolloutWindow> = {};
  for (const name of ["primary", "secondary"] as const) {
    const window = limits?.[name];
    if (window === undefined || window === null) continue;
    windows[name] = {
      usedPercent: window.used_percent,
      ...(window.window_minutes != null && { windowMinutes: window.window_minutes }),
      ...(window.resets_at != null && { resetsAtSec: window.resets_at }),
    };
  }
  return windows;
}

function promptOf(content: readonly { readonly text?: string | undefined }[] = []): string {
  return content.flatMap(({ text }) => text ?? []).join("\n");
}

/** Codes stand alone, or as the only key of an object with more. */
function errorOf(error: Line["payload"]["error"]): Pick<TurnEnd, "error"> {
  if (error === undefined || error === null) return {};
  const info = error.codex_error_info ?? "";
  const [code = "", more] = typeof info === "string" ? [info] : (Object.entries(info)[0] ?? []);
  const httpStatus = more?.http_status_code;
  return { error: { code, message: error.message, ...(httpStatus != null && { httpStatus }) } };
}
