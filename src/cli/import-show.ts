import type { ImportResult } from "./import-apply.ts";
import { note, plain, print, printJson } from "./output.ts";

export interface ImportOptions {
  readonly from?: string;
  readonly dryRun?: boolean;
  readonly takeOver?: boolean;
  readonly undo?: boolean;
  readonly json?: boolean;
}

const MEANING_OF_SHARED =
  "These logins are SHARED: the program that they came from holds them too, so the broker reads its file again " +
  "before each refresh and takes over what is newer there. Safer is a login that nobody else has: import SOURCE --take-over, " +
  "or auth-broker login PROVIDER --label LABEL";

/** What came of an import, for a person or as JSON. */
export function show(result: ImportResult, { json, dryRun, takeOver }: ImportOptions): void {
  if (json) {
    printJson(result);
    return;
  }
  for (const { profile, source, path } of result.imported) {
    print(plain(`${dryRun ? "would import" : "imported"} ${profile} from ${source} (${path})`));
  }
  for (const { item, reason } of result.skipped) print(plain(`skipped ${item}: ${reason}`));
  for (const { provider, profiles } of result.orders) {
    print(plain(`${dryRun ? "would set the order" : "order"} of ${provider}: ${profiles.join(", ")}`));
  }
  for (const warning of result.warnings) note(plain(`warning: ${warning}`));
  const database = result.imported.find(({ path }) => path.endsWith(".sqlite"));
  if (database !== undefined) {
    note(
      plain(`a broker on a Node below 22.5 cannot read ${database.path} again, nor give a login back to it`),
    );
  }
  if (result.imported.length > 0 && !takeOver) print(MEANING_OF_SHARED);
}
