import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { emptyCli, MAIN } from "../support/cli.ts";
import { ATTACKS, attack, held, percentile, times } from "../support/flood.mjs";
import { Peer } from "../support/peer.ts";
import { run, start } from "../support/process.mjs";

const CALLS = 200;

async function broker() {
  const cli = await emptyCli();
  const config = { providers: { "bench-0": { type: "api-key", baseUrl: "https://bench.example" } } };
  writeFileSync(join(cli.home, "config.json"), JSON.stringify(config));
  const daemon = await start(process.execPath, [MAIN, "serve", "--json"], { env: cli.env });
  onTestFinished(async () => void (await daemon.kill("SIGKILL")));
  await daemon.line(/the broker serves/);
  await cli("profiles add bench-0:a --api-key", { input: "sk-FAKE-1\n" });
  const good = new Peer({ kind: "unix", path: join(cli.home, "run", "agent.sock") });
  onTestFinished(() => good.close());
  const ask = () => good.acquire({ provider: "bench-0" });
  await times(ask, CALLS);
  return { cli, daemon, ask };
}

describe.runIf(process.platform === "linux")(
  "a good client is served within three times its quiet time, and all is given back:",
  () => {
    test.each(Object.keys(ATTACKS) as (keyof typeof ATTACKS)[])("%s", async (kind) => {
      const { cli, daemon, ask } = await broker();
      const other = await broker();
      const p99 = async () => percentile(await times(ask, CALLS), 0.99);
      const p99Under = async (home: string) => {
        const end = await attack(kind, home);
        const found = await p99();
        await end();
        return found;
      };
      const before = held(daemon.pid);
      const rounds: { quiet: number; otherAttacked: number; attacked: number }[] = [];
      // The quiet time of a machine whose processors are as busy: the same attack on somebody else. The best of three.
      const isServed = () =>
        rounds.some(({ quiet, otherAttacked, attacked }) => attacked <= 3 * Math.max(quiet, otherAttacked));
      for (let round = 0; round < 3 && !isServed(); round += 1) {
        const quiet = await p99();
        const otherAttacked = await p99Under(other.cli.home);
        rounds.push({ quiet, otherAttacked, attacked: await p99Under(cli.home) });
      }
      // What grpc-js ends by itself takes no turn with us: such calls cost more than three times (SECURITY.md, row 14).
      if (kind !== "deadlines") expect(isServed(), JSON.stringify(rounds)).toBe(true);
      await expect
        .poll(() => held(daemon.pid).descriptors, { timeout: 30_000 })
        .toBeLessThanOrEqual(before.descriptors);
      expect(held(daemon.pid).mib - before.mib).toBeLessThan(128);
      await ask();
      expect(await cli("acquire bench-0")).toMatchObject({ code: 0 });
    });
  },
);

test.runIf(process.platform === "linux")(
  "with 64 descriptors left, 500 silent connections keep out neither who is there nor who comes",
  async () => {
    const { cli, daemon, ask } = await broker();
    const limit = held(daemon.pid).descriptors + 64;
    await run("prlimit", ["--pid", String(daemon.pid), `--nofile=${limit}`]);
    const end = await attack("silent", cli.home);
    await times(ask, 50);
    // Room is made by hanging up on somebody who says nothing yet, which may be who has just come: he comes again.
    for (let i = 0; i < 3; i += 1)
      await expect.poll(() => cli("acquire bench-0"), { timeout: 20_000 }).toMatchObject({ code: 0 });
    await end();
    await expect.poll(() => held(daemon.pid).descriptors, { timeout: 30_000 }).toBeLessThan(40);
    expect(await cli("status")).toMatchObject({ code: 0 });
  },
);
