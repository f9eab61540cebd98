import { once } from "node:events";
import { createInterface } from "node:readline";
import { Secret } from "../../src/domain/secret.ts";
import type { Store, StoredProfile } from "../../src/store/store.ts";
import { StoreError } from "../../src/store/store.ts";
import { openTestStore } from "./keys.ts";

// store-program open DIRECTORY: opens the store, says "open", and keeps it until its input ends.
// store-program write DIRECTORY SIZE: opens and reads it, says "ready"; for each line of input it
//   writes the next generation of the first profile, with tokens of SIZE characters, and says
//   "written GENERATION" or "failed CODE".
// store-program write-reserved DIRECTORY SIZE: the same, the first write into reserved space.
const [task, directory = "", size = "0"] = process.argv.slice(2);

/** In two pieces, so that it is a `writev`: strace fails the nth `write` of each thread, and means the store's. */
function say(line: string): void {
  process.stdout.cork();
  process.stdout.write(line);
  process.stdout.write("\n");
  process.stdout.uncork();
}

const now = () => ({ wallMs: Date.now(), monoMs: performance.now() });

/** Both tokens of a generation tell its number, so that a mixture is seen. */
function next({ profile }: StoredProfile) {
  const generation = profile.generation + 1;
  const tail = `${generation}-${"x".repeat(Number(size))}`;
  const grant = {
    ...profile.grant,
    accessToken: new Secret(`at-FAKE-${tail}`),
    refreshToken: new Secret(`rt-FAKE-${tail}`),
  };
  return { ...profile, generation, grant };
}

async function write(store: Store): Promise<void> {
  let [stored] = (await store.readAll(now())).profiles;
  if (stored === undefined) throw new Error("no profile");
  if (task === "write-reserved") {
    const { profile } = stored;
    stored = { profile, revision: await store.replace(profile, stored.revision, { reserve: true }) };
  }
  say("ready");
  for await (const _line of createInterface({ input: process.stdin })) {
    const profile = next(stored);
    try {
      const revision: number = await store.replace(profile, stored.revision);
      stored = { profile, revision };
      say(`written ${profile.generation}`);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      say(`failed ${error.code}`);
    }
  }
}

try {
  const store = await openTestStore(directory, { now });
  if (task?.startsWith("write")) await write(store);
  else {
    say("open");
    process.stdin.resume();
    await once(process.stdin, "end");
  }
  await store.close();
} catch (error) {
  if (!(error instanceof StoreError)) throw error;
  say(JSON.stringify({ code: error.code, pid: error.pid, mend: error.mend }));
  process.exitCode = 1;
}
