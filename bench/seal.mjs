// What the seal costs: sealing and opening one record, alone, in a durable commit, and in reading 1,000 records,
// each next to the same without a seal, in turn. Differences within pairs, so that a busy machine harms them little.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Secret } from "../dist/domain/secret.js";
import { after } from "../dist/domain/time.js";
import { created } from "../dist/domain/transition.js";
import { keySources } from "../dist/key.js";
import { readEnvelope, writeEnvelope } from "../dist/store/envelope.js";
import { openLowdbStore } from "../dist/store/lowdb.js";
import { readPrivate, writeDurable } from "../dist/store/private-file.js";
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

const codec = profileCodec(now());
const seals = new Seals(home, [new Seal(new Uint8Array(32), "00")], false);
const rows = [];

/** Runs both in turn and changes who is first. A row with medians in µs, and of what each pair differs by. */
async function compare(what, rounds, { plain, sealed }) {
  const times = { plain: [], sealed: [] };
  for (let i = 0; i < rounds; i += 1) {
    const pair = [
      ["plain", plain],
      ["sealed", sealed],
    ];
    for (const [name, run] of i % 2 ? pair : pair.reverse()) {
      const began = performance.now();
      await run(i);
      times[name].push(1_000 * (performance.now() - began));
    }
  }
  const more = times.sealed.map((us, i) => us - times.plain[i]);
  const ratio = times.sealed.map((us, i) => us / times.plain[i]);
  const round = (us) => Number(us.toFixed(1));
  rows.push({
    what,
    "plain µs": round(median(times.plain)),
    "sealed µs": round(median(times.sealed)),
    "more µs": round(median(more)),
    ratio: Number(median(ratio).toFixed(2)),
  });
}

/** A document as the version before the seal wrote it. */
function plainBytes(value, revision) {
  const record = codec.encode(value);
  return Buffer.from(JSON.stringify({ format: 1, seal: { algorithm: "none" }, revision, record }));
}

const first = profile(0, 0);
const content = { record: codec.encode(first), revision: 1, generation: 1 };
const bytes = writeEnvelope(content, "profiles/p", seals);
const clear = plainBytes(first, 1);
const memory = {
  "encode and seal": {
    plain: () => plainBytes(first, 1),
    sealed: () => writeEnvelope(content, "profiles/p", seals),
  },
  "open and read": {
    plain: () => JSON.parse(clear.toString()),
    sealed: () => readEnvelope(bytes, "profiles/p", seals),
  },
};
for (const [what, both] of Object.entries(memory)) {
  await compare(what, 2_000, both);
  // The first were to warm up.
  rows.pop();
  await compare(what, 2_000, both);
}

/** A durable commit without a seal: like the store's, the bytes are read again before they are written. */
async function plainCommit(value, revision) {
  const out = plainBytes(value, revision);
  codec.decode(JSON.parse(out.toString()).record);
  await writeDurable(join(home, "state", "plain.json"), out);
}

for (let i = 0; i < RECORDS; i += 1) await store.replace(profile(i, 0), 0);
let revision = 1;
let current = (await store.readAll(now())).profiles.find(({ profile: { id } }) => id === first.id).profile;
const commit = async (change) => {
  current = { ...current, ...change };
  revision = await store.replace(current, revision);
};
await compare("durable commit of a report", COMMITS, {
  plain: (i) => plainCommit({ ...first, proven: i % 2 === 0 }, i + 1),
  sealed: (i) => commit({ proven: i % 2 === 0 }),
});
// Writes the counters too, before anything is sent; with a grant they are written afterwards.
const intent = (i) => ({ generation: 1, rotation: "strict", setAtMs: i, replay: 0, phase: "open" });
await compare("durable commit of an intent", COMMITS, {
  plain: (i) => plainCommit({ ...first, intent: intent(i) }, i + 1),
  sealed: (i) => commit({ intent: intent(i) }),
});
delete current.intent;
await compare("durable commit of a grant", COMMITS, {
  plain: (i) => plainCommit(profile(0, i), i + 1),
  sealed: (i) => commit({ grant: profile(0, i + 1).grant, generation: current.generation + 1 }),
});
mkdirSync(join(home, "plain"));
const names = Array.from({ length: RECORDS }, (_, i) => join(home, "plain", `${i}`));
for (const [i, name] of names.entries()) writeFileSync(name, plainBytes(profile(i, 0), 1));
await compare(`read ${RECORDS} records`, 11, {
  plain: () => {
    const read = names.map((name) => readPrivate(name, clear.length * 2));
    const records = read.map((one) => JSON.parse(one.toString()).record);
    return records.map((record) => codec.decode(record));
  },
  sealed: () => store.readAll(now()),
});
show("seal", rows);
await store.close();
process.exit(0);
