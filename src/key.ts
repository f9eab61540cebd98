import { createHmac, randomBytes } from "node:crypto";
import { dirname } from "node:path";
import type { Grant } from "./domain/grant.ts";
import { ensurePrivateDirectory } from "./store/private-directory.ts";
import { readPrivate, writeDurable } from "./store/private-file.ts";
import { StoreError } from "./store/store.ts";

const KEY_BYTES = 32;
const FINGERPRINT_DIGITS = 8;

/**
 * The per-install key: read from its file (64 hex digits), or made when there is none. A file that
 * holds something else is an error and stays as it is. Tells `warn` when its directory was open to others,
 * who are then shut out. Rejects with `StoreError`.
 */
export async function installKey(
  path: string,
  warn: (message: string) => void = () => {},
): Promise<Uint8Array> {
  const directory = dirname(path);
  if ((await ensurePrivateDirectory(directory)) === "tightened") {
    warn(`other users could enter ${directory}; it is now closed to them`);
  }
  const bytes = readPrivate(path, 1_024);
  if (bytes === undefined) {
    const key = randomBytes(KEY_BYTES);
    await writeDurable(path, Buffer.from(`${key.toString("hex")}\n`));
    return key;
  }
  const text = bytes.toString("latin1").trim();
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw new StoreError(
      "unreadable",
      path,
      "the key file does not hold a key",
      "put the right key file back; if there is none, move this one away: leases and fingerprints then change",
    );
  }
  return Buffer.from(text, "hex");
}

/** Tells tokens apart without telling anything about them: 8 hex digits under the per-install key. */
export function fingerprints(key: Uint8Array): (grant: Grant) => string {
  const known = new WeakMap<Grant, string>();
  return (grant) => {
    const made = known.get(grant) ?? fingerprint(key, grant);
    known.set(grant, made);
    return made;
  };
}

function fingerprint(key: Uint8Array, grant: Grant): string {
  const secret =
    grant.kind === "oauth" ? grant.accessToken : grant.kind === "token" ? grant.token : grant.key;
  const digest = createHmac("sha256", key).update("fingerprint\0").update(secret.reveal()).digest("hex");
  return digest.slice(0, FINGERPRINT_DIGITS);
}
