import { loadConfig } from "../config.ts";
import { probe } from "../endpoint/probe.ts";
import { readOffline } from "../offline.ts";
import type { Places } from "../places.ts";
import { addressOf } from "./call.ts";
import { type Check, fail } from "./doctor-check.ts";

/** Records of profiles that cannot be read, unless a broker runs, which says so itself. Rejects with `StoreError` if none can be looked at, as without the key. */
export async function recordChecks(where: Places): Promise<readonly Check[]> {
  if ((await probe(addressOf("status"))).state === "live") return [];
  const now = { wallMs: Date.now(), monoMs: performance.now() };
  const { key } = await loadConfig(where.configFile);
  return (await readOffline(where, key, now)).corrupt.map(({ profile, path, cause }) =>
    fail("state", `the record of "${profile}" cannot be read (${path}): ${cause}`, mend(profile)),
  );
}

function mend(profile: string): string {
  return `put the file back from a backup; or move it away, start the broker and add ${profile} anew`;
}
