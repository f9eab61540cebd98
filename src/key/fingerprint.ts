import { createHmac } from "node:crypto";
import type { Grant } from "../domain/grant.ts";

const FINGERPRINT_DIGITS = 8;

/** Tells tokens apart without telling anything about them: 8 hex digits under a key of the installation. */
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
