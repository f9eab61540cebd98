import { join, resolve } from "node:path";
import { claudeHome, readClaude } from "./claude.ts";
import { codexHome, readCodex } from "./codex.ts";
import { fileUnder, ImportError, kindOfPath } from "./file.ts";
import { geminiHome, readGemini } from "./gemini.ts";
import type { ImportContext, ImportPlan, SourceName } from "./item.ts";
import { readOpenclaw } from "./openclaw.ts";
import { locateOpenclaw, openclawHome, openclawStores } from "./openclaw-place.ts";

/** A program whose logins can be taken over. */
export interface Source {
  /** As a person calls it. */
  readonly title: string;
  /** The directory in which it keeps them unless another is named. */
  home(context: ImportContext): string;
  /** True if files of logins are there, readable or not. */
  isThere(context: ImportContext): Promise<boolean>;
  /** The files and databases in which logins lie or lay. `path` as in `read`. */
  stores(path: string | undefined, context: ImportContext): Promise<readonly string[]>;
  /** `path`: its directory or its file; absent: its home. Rejects with `ImportError`. */
  read(path: string | undefined, context: ImportContext): Promise<ImportPlan>;
}

export const SOURCES: Readonly<Record<SourceName, Source>> = {
  codex: oneFileSource("Codex CLI", "auth.json", codexHome, readCodex),
  openclaw: {
    title: "OpenClaw",
    home: openclawHome,
    isThere: isOpenclawThere,
    stores: openclawStores,
    read: readOpenclaw,
  },
  claude: oneFileSource("Claude Code", ".credentials.json", claudeHome, readClaude),
  gemini: oneFileSource("Gemini CLI", "oauth_creds.json", geminiHome, readGemini),
};

/** Every known program that has a file of logins where it usually keeps it. */
export async function findSources(
  context: ImportContext,
): Promise<readonly { readonly name: SourceName; readonly path: string }[]> {
  const found: { name: SourceName; path: string }[] = [];
  for (const name of Object.keys(SOURCES) as SourceName[]) {
    const source = SOURCES[name];
    if (await source.isThere(context)) found.push({ name, path: source.home(context) });
  }
  return found;
}

/**
 * Reads a program's logins from where it keeps them or from `path`, its directory or its file.
 * Nothing is written and nothing else is read. Rejects with `ImportError`.
 */
export async function readSource(
  name: SourceName,
  path: string | undefined,
  context: ImportContext,
): Promise<ImportPlan> {
  // A path from the file goes into the profile and is read again by another process.
  return SOURCES[name].read(path === undefined ? undefined : resolve(path), context);
}

function oneFileSource(
  title: string,
  file: string,
  home: (context: ImportContext) => string,
  read: (path: string, context: ImportContext) => Promise<ImportPlan>,
): Source {
  return {
    title,
    home,
    isThere: async (context) => (await kindOfPath(join(home(context), file))) !== "absent",
    stores: async (path, context) => [await fileUnder(path ?? home(context), file)],
    read: (path, context) => read(path ?? join(home(context), file), context),
  };
}

async function isOpenclawThere(context: ImportContext): Promise<boolean> {
  try {
    await locateOpenclaw(undefined, context);
    return true;
  } catch (cause) {
    if (cause instanceof ImportError) return cause.exit !== 66;
    throw cause;
  }
}
