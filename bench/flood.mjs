// A good client's p99 while the broker is attacked, against its quiet value of the same minute, and against the one while
// another broker on this machine is attacked: attacker and attacked take processors from everybody, which no broker can
// help. And whether everything that the attack took is given back. Attackers are processes of their own.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ATTACKS, attack, held, percentile, times } from "../test/support/flood.mjs";
import { call, client, keyConfig, median, putKeys, show, startBroker, temporaryHome } from "./world.mjs";

const ROUNDS = Number(process.env.FLOOD_ROUNDS ?? 3);
const CALLS = 400;
const kinds = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(ATTACKS);

async function brokerIn(home) {
  writeFileSync(join(home, "config.json"), keyConfig(10));
  const broker = await startBroker(home);
  await putKeys(home, 10, 10);
  return broker;
}

const home = temporaryHome();
const elsewhere = temporaryHome();
const broker = await brokerIn(home);
await brokerIn(elsewhere);
const good = client(home, "credential");
const ask = () => call(good, "AcquireCredential", { provider: "bench-1" });
await times(ask, 2_000);

async function p99Under(kind, attacked) {
  const end = await attack(kind, attacked);
  const p99 = percentile(await times(ask, CALLS), 0.99);
  await end();
  return p99;
}

const rows = [];
for (const kind of kinds) {
  const ratios = [];
  const ratiosElsewhere = [];
  const quiets = [];
  const beside = [];
  const undersiege = [];
  const before = held(broker.pid);
  let after = before;
  for (let round = 0; round < ROUNDS; round += 1) {
    const quiet = percentile(await times(ask, CALLS), 0.99);
    const other = await p99Under(kind, elsewhere);
    const p99 = await p99Under(kind, home);
    ratios.push(p99 / quiet);
    ratiosElsewhere.push(p99 / other);
    quiets.push(quiet);
    beside.push(other);
    undersiege.push(p99);
    for (let tries = 0; tries < 300; tries += 1) {
      after = held(broker.pid);
      if (after.descriptors <= before.descriptors) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  rows.push({
    attack: ATTACKS[kind],
    "quiet p99 ms": Number(median(quiets).toFixed(2)),
    "other attacked": Number(median(beside).toFixed(2)),
    "this attacked": Number(median(undersiege).toFixed(2)),
    "to quiet": Number(median(ratios).toFixed(2)),
    "to other": Number(median(ratiosElsewhere).toFixed(2)),
    "fds before": before.descriptors,
    after: after.descriptors,
    "MiB before": Math.round(before.mib),
    "MiB after": Math.round(after.mib),
  });
}
show("flood", rows);
process.exit(0);
