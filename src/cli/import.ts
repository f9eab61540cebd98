import type { Command } from "commander";
import { nearest } from "../domain/nearest.ts";
import { type ImportPlan, SOURCE_NAMES, type SourceName } from "../import/item.ts";
import { dial } from "./call.ts";
import { CommandError, invalid } from "./command-error.ts";
import { apply, type ImportResult, outside } from "./import-apply.ts";
import { gather, importContext } from "./import-plan.ts";
import { jsonOption, named } from "./options.ts";
import { note, plain, print, printJson } from "./output.ts";
import { noteOutside } from "./profiles-change.ts";

interface ImportOptions {
  readonly from?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const EXAMPLE = `
Sources: ${SOURCE_NAMES.join(", ")}. Without a name every one that is found is read. Nothing is written
there. --dry-run shows what would be taken and needs no broker.

Example:
  $ auth-broker import --dry-run
  $ auth-broker import openclaw --from /srv/agents/.openclaw`;

const MEANING_OF_SHARED =
  "These logins are SHARED: the program that they came from holds them too, so the broker reads its file again " +
  "before each refresh and takes over what is newer there. A login of the broker's own is safer, since nobody else " +
  "can use it up; it takes the place of the shared one:";

export function defineImport(command: Command): void {
  jsonOption(command)
    .argument("[source...]", "whose logins to take over")
    .option("--from <path>", "that program's directory or file, instead of the usual place", named)
    .option("--dry-run", "show what would be taken over, and change nothing")
    .addHelpText("after", EXAMPLE)
    .action(async (asked: readonly string[], options: ImportOptions) => {
      const names = asked.map(sourceName);
      if (options.from !== undefined && names.length !== 1) {
        throw new CommandError(64, "--from needs the name of one source", {
          help: `auth-broker import ${SOURCE_NAMES.join("|")} --from PATH`,
        });
      }
      const { plan, failures } = await gather(names, options.from, importContext());
      if (plan.profiles.length > 0 || plan.skipped.length > 0) {
        if (options.dryRun) show(planned(plan), keysIn(plan), options);
        else await take(plan, options);
      }
      if (failures[0] !== undefined) throw failures[0];
    });
}

function sourceName(text: string): SourceName {
  const name = SOURCE_NAMES.find((one) => one === text.toLowerCase());
  if (name !== undefined) return name;
  const closest = nearest(text, SOURCE_NAMES);
  throw invalid(
    `"${plain(text)}" is no source${closest === undefined ? "" : `; the nearest one is "${closest}"`}`,
    `one of ${SOURCE_NAMES.join(", ")}`,
  );
}

/** What would be imported, as far as that can be told without a broker. */
function planned({ profiles, skipped, orders, warnings }: ImportPlan): ImportResult {
  return {
    imported: profiles.map(({ id, source, sourcePath }) => ({ profile: id, source, path: sourcePath })),
    skipped: [...skipped],
    orders: [...orders],
    warnings: [...warnings],
  };
}

async function take(plan: ImportPlan, options: ImportOptions): Promise<void> {
  using line = await dial("profile");
  const result: ImportResult = {
    imported: [],
    skipped: [...plan.skipped],
    orders: [],
    warnings: [...plan.warnings],
  };
  try {
    await apply(line, plan, result);
  } finally {
    show(result, keysIn(plan), options);
  }
  if (options.json) return;
  for (const view of await outside(line, result.imported)) noteOutside(view);
}

/** An API key is nobody's to rotate, so that others hold it too does no harm. */
function keysIn({ profiles }: ImportPlan): ReadonlySet<string> {
  return new Set(profiles.filter(({ grant }) => grant.kind === "api_key").map(({ id }) => id));
}

function show(result: ImportResult, keys: ReadonlySet<string>, { json, dryRun }: ImportOptions): void {
  if (json) {
    printJson(result);
    return;
  }
  const shared = new Set(result.imported.map(({ profile }) => profile).filter((id) => !keys.has(id)));
  for (const { profile, source, path } of result.imported) {
    print(plain(`${dryRun ? "would import" : "imported"} ${profile} from ${source} (${path})`));
  }
  for (const { item, reason } of result.skipped) print(plain(`skipped ${item}: ${reason}`));
  for (const { provider, profiles } of result.orders) {
    print(plain(`${dryRun ? "would set the order" : "order"} of ${provider}: ${profiles.join(", ")}`));
  }
  for (const warning of result.warnings) note(plain(`warning: ${warning}`));
  if (shared.size === 0) return;
  print(MEANING_OF_SHARED);
  for (const id of shared) {
    const [provider = "", ...label] = id.split(":");
    print(plain(`  auth-broker login ${provider} --label ${label.join(":")}`));
  }
}
