import type { Command } from "commander";
import { nearest } from "../domain/nearest.ts";
import { type ImportPlan, SOURCE_NAMES, type SourceName } from "../import/item.ts";
import { TAKEN_OVER } from "../import/strip.ts";
import { dial } from "./call.ts";
import { CommandError, invalid } from "./command-error.ts";
import { apply, type ImportResult, outside } from "./import-apply.ts";
import { gather, importContext } from "./import-plan.ts";
import { type ImportOptions, show } from "./import-show.ts";
import { jsonOption, named } from "./options.ts";
import { plain } from "./output.ts";
import { noteOutside } from "./profiles-change.ts";

const EXAMPLE = `
Sources: ${SOURCE_NAMES.join(", ")}. Without a name every one that is found is read. Nothing is written
there. --dry-run shows what would be taken and needs no broker.

--take-over makes the broker the only owner of the logins of ${TAKEN_OVER.join(", ")}: that program must not
be running, and keeps an access token only. --undo gives the logins back to it, as they are by then.

Example:
  $ auth-broker import --dry-run
  $ auth-broker import openclaw --from /srv/agents/.openclaw
  $ auth-broker import codex --take-over`;

export function defineImport(command: Command): void {
  jsonOption(command)
    .argument("[source...]", "whose logins to take over")
    .option("--from <path>", "that program's directory or file, instead of the usual place", named)
    .option("--dry-run", "show what would be taken over, and change nothing")
    .option("--take-over", "leave that program without the refresh tokens")
    .option("--undo", "give the logins that were taken over back to that program")
    .addHelpText("after", EXAMPLE)
    .action(async (asked: readonly string[], options: ImportOptions) => {
      const names = asked.map(sourceName);
      if (options.from !== undefined && names.length !== 1) {
        throw new CommandError(64, "--from needs the name of one source", {
          help: `auth-broker import ${SOURCE_NAMES.join("|")} --from PATH`,
        });
      }
      if (options.takeOver || options.undo) {
        const { handOver } = await import("./import-hand-over.ts");
        return handOver(names, options);
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
