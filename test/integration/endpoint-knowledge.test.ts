import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseAddress } from "../../src/endpoint/address.ts";
import { refusal, world } from "../support/broker-world.ts";
import { Peer } from "../support/peer.ts";

const A = "openai-codex:a";

/** An endpoint that is limited to one profile, on a broker that has two providers. */
async function limited(run: (ci: Peer) => Promise<void>): Promise<void> {
  const place = await mkdtemp(join(tmpdir(), "knows-"));
  const path = join(place, "ci.sock");
  await using broker = await world({ config: { endpoints: [{ name: "ci", path, profiles: [A] }] } });
  await broker.put(A);
  await broker.put("qwen:secret");
  const ci = new Peer(parseAddress(path));
  try {
    await run(ci);
  } finally {
    ci.close();
    await rm(place, { recursive: true, force: true });
  }
}

test("an endpoint that is limited to a profile names no other provider, in no answer", () =>
  limited(async (ci) => {
    expect((await ci.acquire({ provider: "openai-codex" })).lease.profile).toBe(A);
    const answers = [
      await ci.status(),
      await ci.explain({ provider: "qwen" }),
      (await refusal(ci.acquire({ provider: "qwen" }))).unavailable,
      (await refusal(ci.acquire({ provider: "qwen", profile: "qwen:secret" }))).unavailable,
    ];
    expect((answers[0] as Awaited<ReturnType<Peer["status"]>>).providers).toHaveLength(1);
    expect(JSON.stringify(answers)).not.toContain("secret");
    expect((await ci.explain({ provider: "qwen" })).candidates).toEqual([]);
  }));

test("its health knows of its own provider only", () =>
  limited(async (ci) => {
    expect(await ci.health("provider/openai-codex")).toBe("SERVING");
    expect((await refusal(ci.health("provider/qwen"))).code).toBe("NOT_FOUND");
    const { statuses } = (await ci.call("health", "List", {}, { raw: true })) as { statuses: object };
    expect(Object.keys(statuses)).toContain("provider/openai-codex");
    expect(Object.keys(statuses)).not.toContain("provider/qwen");
  }));
