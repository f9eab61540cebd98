import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Now } from "../domain/time.ts";
import { ProfileDocuments } from "./profile-documents.ts";
import type { CorruptRecord } from "./store.ts";

/**
 * The records in a state directory that cannot be read, looked at without owning it. Changes nothing.
 * Rejects with `StoreError` if the directory itself cannot be read.
 */
export async function corruptRecords(stateDir: string, now: Now): Promise<readonly CorruptRecord[]> {
  const directory = join(stateDir, "profiles");
  if (!existsSync(directory)) return [];
  const documents = new ProfileDocuments(directory);
  for (const name of await documents.names()) await documents.read(name, now);
  return documents.corrupt();
}
