import { once } from "node:events";
import { keySources } from "../../src/key.ts";
import { rotateKey } from "../../src/store/rotation.ts";
import { StoreError } from "../../src/store/store.ts";

// rotation-program DIRECTORY KEYFILE: says "ready", waits for a line, rotates the key of the state in the
// directory, and says "rotated" or "failed CODE".
const [directory = "", keyFile = ""] = process.argv.slice(2);

process.stdout.write("ready\n");
await once(process.stdin, "data");
try {
  await rotateKey(directory, keySources({ source: "file" }, keyFile));
  process.stdout.write("rotated\n");
} catch (error) {
  if (!(error instanceof StoreError)) throw error;
  process.stdout.write(`failed ${error.code}\n`);
}
process.stdin.unref();
