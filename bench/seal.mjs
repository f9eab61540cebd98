// What the seal costs: sealing and opening one record, alone and as a part of a whole durable commit and
// of reading 1,000 records. Ratios within one run, so that a busy machine harms them little.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Secret } from "../dist/domain/secret.js";
import { after } from "../dist/domain/time.js";
import { created } from "../dist/domain/transition.js";
import { keySources } from "../dist/key.js";
import { readEnvelope, writeEnvelope } from "../dist/store/envelope.js";
import { openLowdbStore } from "../dist/store/lowdb.js";
import { profileCodec } from "../dist/store/record.js";
import { Seal } from "../dist/store/seal.js";
import { Seals } from "../dist/store/seals.js";
import { median, show, temporaryHome } from "./world.mjs";

const RECORDS = 1_000;
const COMMITS = 200;
const now = () => ({ wallMs: Date.now(), monoMs: performance.now() });

/** An OAuth login with tokens of the usual length. */
function profile(i, n) {
  const token = (kind) => new Secret(`${kind}-FAKE-${i}-${n}-${"x".repeat(1_200)}`);
  const grant = {
    kind: "oauth",
    accessToken: token("at"),
    refreshToken: token("rt"),
    idToken: token("id"),
    tokenType: "Bearer",
    expires: after(now(), 3_600_000),
    scopes: [],
  };
  const put = { grant, account: {}, costClass: "SUBSCRIPTION", origin: "put", accountEpoch: "e" };
  return created(`openai-codex:p${i}`, "openai-codex", `p${i}`, put, now());
}

const home = temporaryHome();
mkdirSync(home, { recursive: true });
const store = await openLowdbStore({
  directory: join(home, "state"),
  keys: keySources({ source: "file" }, join(home, "key")),
  countersFile: join(home, "key.counters"),
  now,
});

/** Microseconds of each call. */
async function times(count, run) {
  const each = [];
  for (let i = 0; i < count; i += 1) {
    const began = performance.now();
    await run(i);
    each.push(1_000 * (performance.now() - began));
  }
  return each;
}

const codec = profileCodec(now());
const seals = new Seals(home, [new Seal(new Uint8Array(32), "00")], false);
const record = codec.encode(profile(0, 0));
const content = { record, revision: 1, generation: 1 };
const bytes = writeEnvelope(content, "profiles/p", seals);
const plain = Buffer.from(JSON.stringify(content));
const work = {
  "encode as JSON": () => Buffer.from(JSON.stringify(content)),
  "encode and seal": () => writeEnvelope(content, "profiles/p", seals),
  "read JSON": () => JSON.parse(plain.toString()),
  "open and read": () => readEnvelope(bytes, "profiles/p", seals),
};
const rows = [];
for (const [what, run] of Object.entries(work)) {
  await times(2_000, run);
  rows.push({ what, "median µs": Number(median(await times(2_000, run)).toFixed(1)) });
}
const revisions = [];
for (let i = 0; i < RECORDS; i += 1) revisions.push(await store.replace(profile(i, 0), 0));
const first = (await store.readAll(now())).profiles[0].profile;
let revision = revisions[0];
// A report changes no token: one durable record. A refresh writes the counters too.
let current = first;
const commits = await times(COMMITS, async (i) => {
  current = { ...current, proven: i % 2 === 0 };
  revision = await store.replace(current, revision);
});
const grants = await times(COMMITS, async (i) => {
  current = { ...current, grant: profile(0, i + 1).grant, generation: current.generation + 1 };
  revision = await store.replace(current, revision);
});
const reads = await times(9, () => store.readAll(now()));
rows.push({ what: "durable commit of a report", "median µs": Math.round(median(commits)) });
rows.push({ what: "durable commit of a grant, with its counter", "median µs": Math.round(median(grants)) });
rows.push({ what: `read ${RECORDS} records, each`, "median µs": Math.round(median(reads) / RECORDS) });
show("seal", rows);
await store.close();
process.exit(0);
