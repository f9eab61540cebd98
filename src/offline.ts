import { existsSync } from "node:fs";
import { join } from "node:path";
import type { KeyConfig } from "./config/resolve.ts";
import type { Grant } from "./domain/grant.ts";
import type { Now } from "./domain/time.ts";
import { fingerprints } from "./key/fingerprint.ts";
import { keySources } from "./key.ts";
import type { Places } from "./places.ts";
import { PROFILES } from "./store/documents.ts";
import { knownSeals } from "./store/open-seals.ts";
import { ProfileDocuments } from "./store/profile-documents.ts";
import { readSealFile } from "./store/seal-file.ts";
import { Seals } from "./store/seals.ts";
import type { Contents } from "./store/store.ts";

/** What lies in a state directory, read beside a broker that may be running. */
export interface OfflineState extends Pick<Contents, "profiles" | "corrupt"> {
  /** Gives what the broker shows as `tokenFingerprint`. Absent: nothing is sealed there yet, so there is no key. */
  readonly fingerprintOf?: (grant: Grant) => string;
}

/**
 * Reads the records, sealed or left in the clear by an earlier version, without owning the state directory;
 * changes nothing. Rejects with `StoreError` if the key is not to be had.
 */
export async function readOffline(where: Places, key: KeyConfig, now: Now): Promise<OfflineState> {
  const { stateDir } = where;
  if (!existsSync(join(stateDir, PROFILES))) return { profiles: [], corrupt: [] };
  const facts = readSealFile(stateDir);
  const all =
    facts === undefined ? [] : (await knownSeals(stateDir, facts, keySources(key, where.keyFile))).all;
  const seals = new Seals(stateDir, all, facts === undefined || facts.plain === true);
  const documents = new ProfileDocuments(stateDir, seals);
  return {
    profiles: documents.readAll(now),
    corrupt: documents.corrupt(),
    ...(seals.isLocked ? {} : { fingerprintOf: fingerprints(seals.newest.derive("fingerprint")) }),
  };
}
