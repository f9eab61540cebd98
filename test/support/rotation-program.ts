import { once } from "node:events";
import { keySources } from "../../src/key.ts";
import { rotateKey } from "../../src/store/rotation.ts";
import { StoreError } from "../../src/store/store.ts";
import { openTestStore } from "./keys.ts";

// rotation-program rotate DIRECTORY KEYFILE: says "ready", waits for a line, rotates the key of the state in the
//   directory, and says "done" or "failed CODE".
// rotation-program open DIRECTORY KEYFILE: the same, but opens the store, which seals what lies there in the clear.
const [task, directory = "", keyFile = ""] = process.argv.slice(2);
const keys = keySources({ source: "file" }, keyFile);

process.stdout.write("ready\n");
await once(process.stdin, "data");
try {
  if (task === "open") await openTestStore(directory, { keys });
  else await rotateKey(directory, keys);
  process.stdout.write("done\n");
} catch (error) {
  if (!(error instanceof StoreError)) throw error;
  process.stdout.write(`failed ${error.code}\n`);
}
process.stdin.unref();
