import type { SourceName } from "../import/item.ts";
import { SOURCES } from "../import/sources.ts";
import { TAKEN_OVER, type TakenOver } from "../import/strip.ts";
import { dial } from "./call.ts";
import { CommandError } from "./command-error.ts";
import { type ImportResult, outside } from "./import-apply.ts";
import { importContext } from "./import-plan.ts";
import { type ImportOptions, show } from "./import-show.ts";
import { note, plain, print, printJson } from "./output.ts";
import { noteOutside } from "./profiles-change.ts";
import { withProgress } from "./progress.ts";
import { giveBack, takeOver } from "./take-over.ts";
import { checkWithProgram } from "./take-over-check.ts";

/** `--take-over` and `--undo`. */
export async function handOver(names: readonly SourceName[], options: ImportOptions): Promise<void> {
  const [asked] = names;
  const source = TAKEN_OVER.find((one) => one === asked);
  if (source === undefined && asked !== undefined && names.length === 1) {
    throw new CommandError(
      64,
      `${SOURCES[asked].title} cannot be taken over: it has no way to go on without its login`,
      {
        help: `auth-broker login ${LOGIN_INSTEAD[asked] ?? "PROVIDER"}, for a login that nobody else has`,
      },
    );
  }
  if (source === undefined || names.length !== 1 || (options.takeOver && options.undo) || options.dryRun) {
    throw new CommandError(64, "--take-over and --undo are for one program, and stand alone", {
      help: `auth-broker import ${TAKEN_OVER.join("|")} --take-over`,
    });
  }
  const { from, json } = options;
  const place = { source, from, context: importContext() };
  using line = await dial("profile");
  if (options.undo) {
    const given = await giveBack(line, place);
    if (json) return printJson({ given });
    for (const profile of given) print(plain(`gave ${profile} back to ${source}; it is no longer here`));
    return;
  }
  const result: ImportResult = { imported: [], skipped: [], orders: [], warnings: [] };
  const taken = await takeOver(line, place, result);
  const check = await withProgress(`asking ${source}`, checkWithProgram(place));
  if (json) return printJson({ ...result, taken, check });
  show(result, new Set(), { ...options, takeOver: true });
  for (const profile of taken) print(plain(`took ${profile} over: ${source} keeps an access token only`));
  if (taken.length === 0) note("there was nothing to take over");
  else note(`${plain(check)}. ${NEXT[source]}`);
  for (const view of await outside(line, result.imported)) noteOutside(view);
}

/** Where a login of the broker's own comes from. */
const LOGIN_INSTEAD: Partial<Readonly<Record<SourceName, string>>> = { gemini: "google-gemini-cli" };

/** How each program gets its credentials from now on. */
const NEXT: Readonly<Record<TakenOver, string>> = {
  codex:
    "Start Codex as `auth-broker-codex` from now on; plain `codex` works until its access token ends, and must not be logged in again.",
  claude:
    "Start Claude Code as `auth-broker run anthropic -- claude` from now on; plain `claude` works until its access token ends.",
  openclaw:
    "Let OpenClaw ask the broker from now on: `auth-broker openclaw setup`; its own logins work until their access tokens end.",
};
