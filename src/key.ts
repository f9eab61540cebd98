import { dirname } from "node:path";
import type { KeyConfig } from "./config/resolve.ts";
import { fileKey } from "./key/file.ts";
import type { KeySource, KeySourceKind, KeySources } from "./store/key-source.ts";
import { ensurePrivateDirectory } from "./store/private-directory.ts";
import { StoreError } from "./store/store.ts";

/** Every place that may keep the key of this installation; each is loaded when it is used. */
export function keySources(config: KeyConfig, keyFile: string): KeySources {
  const { source: chosen, command } = config;
  const sources: Readonly<Record<KeySourceKind, () => KeySource | Promise<KeySource>>> = {
    file: () => fileKey(keyFile),
    keyring: async () => (await import("./key/keyring.ts")).keyringKey(),
    command: async () => {
      if (command !== undefined) return (await import("./key/command.ts")).commandKey(command);
      const mend = 'leave "key.command" in config.json until the key has moved';
      throw new StoreError("unreadable", "key.command", "no program is named that gives the key", mend);
    },
  };
  return { chosen, of: async (kind) => sources[kind]() };
}

/**
 * Makes the directory of key and counters, or shuts others out of it, which `warn` is told. Rejects with
 * `StoreError`.
 */
export async function closeKeyDirectory(keyFile: string, warn: (message: string) => void): Promise<void> {
  const directory = dirname(keyFile);
  if ((await ensurePrivateDirectory(directory)) === "tightened") {
    warn(`other users could enter ${directory}; it is now closed to them`);
  }
}
