import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { objectOf } from "./fields.ts";
import { ImportError, kindOfPath } from "./file.ts";

/** What one database of OpenClaw 2026.6 and later holds for us: the documents of the file era. */
export interface DatabaseDocuments {
  readonly store: unknown;
  readonly state: unknown;
}

interface Database {
  exec(sql: string): void;
  prepare(sql: string): {
    get(...values: readonly string[]): unknown;
    run(...values: readonly (string | number)[]): unknown;
  };
  close(): void;
}
interface Sqlite {
  readonly DatabaseSync: new (path: string | URL, options: { readonly readOnly: boolean }) => Database;
}

/** Both kinds of database: the one that all agents share, and an agent's own. */
const QUERIES = {
  store: [
    ["config_machine_state", "value_json", "state_key", "authProfiles.store", "updated_at_ms"],
    ["auth_profile_store", "store_json", "store_key", "primary", "updated_at"],
  ],
  state: [
    ["config_machine_state", "value_json", "state_key", "authProfiles.state"],
    ["auth_profile_state", "state_json", "state_key", "primary"],
  ],
} as const;

const BUSY_MS = 2_000;

/** True if this Node can read the databases (22.5 and later). */
export function canReadDatabases(): boolean {
  return sqlite() !== undefined;
}

/**
 * Reads the documents out of a database and leaves nothing beside it. Rejects with `ImportError`: 78 if
 * this Node has no SQLite.
 */
export async function readDatabase(path: string): Promise<DatabaseDocuments> {
  const module = await sqliteFor(path);
  try {
    const isQuiet = !existsSync(`${path}-wal`);
    const documents = read(isQuiet ? openUnchanging(module, path) : open(module, path));
    // Somebody began to write meanwhile, so what was read may be torn.
    return isQuiet && existsSync(`${path}-wal`) ? read(open(module, path)) : documents;
  } catch (cause) {
    throw cause instanceof ImportError ? cause : databaseProblem(path, cause);
  }
}

/**
 * Changes the document of logins in a database, as a whole or not at all. True if it was changed. Rejects
 * with `ImportError` like `readDatabase`, 74 if it cannot be written.
 */
export async function rewriteDatabase(path: string, change: (store: unknown) => unknown): Promise<boolean> {
  const { DatabaseSync } = await sqliteFor(path);
  const database = new DatabaseSync(path, { readOnly: false });
  try {
    // What is overwritten must not stay in a free page.
    database.exec(`PRAGMA busy_timeout = ${BUSY_MS}; PRAGMA secure_delete = ON; BEGIN IMMEDIATE`);
    const next = change(documentOf(database, "store"));
    if (next !== undefined) writeStore(database, next);
    database.exec("COMMIT");
    return next !== undefined;
  } catch (cause) {
    if (cause instanceof ImportError) throw cause;
    throw new ImportError(74, path, `cannot be written (${(cause as Error).message})`, { cause });
  } finally {
    database.close();
  }
}

function writeStore(database: Database, store: unknown): void {
  const [table, column, key, value, time] = QUERIES.store.find(([name]) => hasTable(database, name)) ?? [];
  if (table === undefined) throw new Error("it has no table of logins");
  const sql = `INSERT INTO ${table} (${key}, ${column}, ${time}) VALUES (?, ?, ?)
    ON CONFLICT (${key}) DO UPDATE SET ${column} = excluded.${column}, ${time} = excluded.${time}`;
  database.prepare(sql).run(value, JSON.stringify(store), Date.now());
}

async function sqliteFor(path: string): Promise<Sqlite> {
  const module = sqlite();
  if (module === undefined) {
    throw new ImportError(78, path, `Node ${process.version} cannot read this database`);
  }
  if ((await kindOfPath(path)) === "absent") throw new ImportError(66, path, "no such file");
  return module;
}

function sqlite(): Sqlite | undefined {
  return process.getBuiltinModule?.("node:sqlite") as unknown as Sqlite | undefined;
}

function open({ DatabaseSync }: Sqlite, path: string): Database {
  return new DatabaseSync(path, { readOnly: true });
}

/** Opening a database with a write-ahead log, even to read, would make two files beside it. */
function openUnchanging(module: Sqlite, path: string): Database {
  const address = pathToFileURL(path);
  address.searchParams.set("immutable", "1");
  try {
    return new module.DatabaseSync(address, { readOnly: true });
  } catch (error) {
    // Before Node 22.15 it takes no URL.
    if (!(error instanceof TypeError)) throw error;
    return open(module, path);
  }
}

function read(database: Database): DatabaseDocuments {
  try {
    database.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
    return { store: documentOf(database, "store"), state: documentOf(database, "state") };
  } finally {
    database.close();
  }
}

function documentOf(database: Database, name: keyof typeof QUERIES): unknown {
  for (const [table, column, key, value] of QUERIES[name]) {
    if (!hasTable(database, table)) continue;
    const row = objectOf(
      database.prepare(`SELECT ${column} AS json FROM ${table} WHERE ${key} = ?`).get(value),
    );
    if (typeof row?.json === "string") return JSON.parse(row.json);
  }
  return undefined;
}

function hasTable(database: Database, name: string): boolean {
  const found = database.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").get(name);
  return found !== undefined;
}

/** Messages of SQLite name no content; a parser's would quote it. */
function databaseProblem(path: string, cause: unknown): ImportError {
  if (cause instanceof SyntaxError) {
    return new ImportError(65, path, "holds a document that is not valid JSON");
  }
  const { message } = cause as Error;
  if (message.includes("unable to open")) return new ImportError(77, path, "cannot be opened", { cause });
  return new ImportError(65, path, `cannot be read as a database (${message})`, { cause });
}
