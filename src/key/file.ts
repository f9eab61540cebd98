import { dirname } from "node:path";
import type { KeySource } from "../store/key-source.ts";
import { ensurePrivateDirectory } from "../store/private-directory.ts";
import { readPrivate, removeDurable, writeDurable } from "../store/private-file.ts";
import { keyInText, keyText } from "../store/seal.ts";
import { StoreError } from "../store/store.ts";

const LARGEST = 1_024;

/** The key in a private file of its own: 64 hex digits. A file that holds something else is an error and stays as it is. */
export function fileKey(path: string): KeySource {
  return {
    kind: "file",
    place: path,
    read: async () => {
      const bytes = readPrivate(path, LARGEST);
      if (bytes === undefined) return undefined;
      const key = keyInText(bytes.toString("latin1"));
      if (key !== undefined) return key;
      const mend =
        "move it away, then put the right one back or give the recovery code to auth-broker key restore";
      throw new StoreError("unreadable", path, "the key file does not hold a key", mend);
    },
    write: async (key) => {
      await ensurePrivateDirectory(dirname(path));
      await writeDurable(path, Buffer.from(`${keyText(key)}\n`));
    },
    remove: () => removeDurable(path),
  };
}
