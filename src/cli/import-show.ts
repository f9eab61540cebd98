import { TAKEN_OVER } from "../import/strip.ts";
import type { ImportResult } from "./import-apply.ts";
import { note, plain, print, printJson } from "./output.ts";

export interface ImportOptions {
  readonly from?: string;
  readonly dryRun?: boolean;
  readonly takeOver?: boolean;
  readonly undo?: boolean;
  readonly json?: boolean;
}

/** What makes the broker the only owner of the logins of these programs, for those where it can be. */
export function takeOvers(sources: readonly string[]): readonly string[] {
  return TAKEN_OVER.filter((one) => sources.includes(one)).map(
    (one) => `auth-broker import ${one} --take-over`,
  );
}

function meaningOfShared(sources: readonly string[], dryRun: boolean): string {
  const ways = [...takeOvers(sources), "one of the broker's own"].join(", or ");
  return (
    `These logins ${dryRun ? "would be" : "are"} SHARED: the program that they came from holds them too, so the broker ` +
    "reads its file again before each refresh and takes over what is newer there. Safer is a login that nobody else " +
    `has: ${ways}, which takes the place of the shared one:`
  );
}

/** What came of an import, for a person or as JSON. `keys`: profiles that hold an API key. */
export function show(
  result: ImportResult,
  keys: ReadonlySet<string>,
  { json, dryRun, takeOver }: ImportOptions,
): void {
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
      plain(
        `only a broker on Node 22.5 or later (npx -p node@24 auth-broker serve) reads ${database.path} again, or gives a login back to it`,
      ),
    );
  }
  const shared = new Set(result.imported.map(({ profile }) => profile).filter((id) => !keys.has(id)));
  if (takeOver || shared.size === 0) return;
  const from = result.imported.filter(({ profile }) => shared.has(profile)).map(({ source }) => source);
  print(meaningOfShared(from, dryRun === true));
  for (const id of shared) {
    const [provider = "", ...label] = id.split(":");
    print(plain(`  auth-broker login ${provider} --label ${label.join(":")}`));
  }
}
