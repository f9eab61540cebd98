import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { hasNamespaces } from "../support/codex-world.ts";
import { type OpenclawPlace, openclawPlace, serve } from "../support/openclaw-place.ts";
import { type OpenclawProgram, openclawProgram } from "../support/openclaw-program.mjs";

const OWN = `// written by hand
{ gateway: { mode: "local", port: 18999, auth: { mode: "token", token: "gateway-FAKE" } }, }
`;

describe.skipIf(!(await hasNamespaces()))("openclaw setup with the real OpenClaw", () => {
  let program: OpenclawProgram;
  beforeAll(async () => {
    program = await openclawProgram();
  }, 900_000);

  async function installed(): Promise<OpenclawPlace & { config: string }> {
    const place = await openclawPlace(program);
    const config = join(place.home, ".openclaw/openclaw.json");
    await mkdir(join(place.home, ".openclaw"));
    await writeFile(config, OWN, { mode: 0o600 });
    await serve(place);
    return { ...place, config };
  }

  const addKey = (place: OpenclawPlace, id: string, key: string) =>
    place.cli(`profiles add ${id} --from-file -`, { input: JSON.stringify({ apiKey: { key } }) });

  test("routes pass OpenClaw's own checks, and come out without a trace", { timeout: 600_000 }, async () => {
    const place = await installed();
    for (const route of ["codex", "plugin"]) {
      const written = await place.cli(`openclaw setup ${route} --write --json`);
      expect(written).toMatchObject({ code: 0 });
      expect(JSON.parse(written.stdout).done).toContain("checked: openclaw config validate");
    }
    expect((await stat(join(place.home, "broker/openclaw/codex"))).mode & 0o777).toBe(0o700);
    for (const route of ["plugin", "codex"]) {
      expect(await place.cli(`openclaw setup ${route} --undo`)).toMatchObject({ code: 0 });
    }
    expect(await readFile(place.config, "utf8")).toBe(OWN);
    expect(await readdir(join(place.home, "broker/openclaw"))).toEqual(["setup.json"]);
  });

  test("secrets are resolved by the real OpenClaw, and a running gateway hears of a new one", {
    timeout: 600_000,
  }, async () => {
    const place = await installed();
    const refused = await place.cli("openclaw setup secrets --provider anthropic=anthropic:none --write");
    expect(refused).toMatchObject({ code: 78, stderr: expect.stringContaining("NOT_FOUND") });
    expect(await readFile(place.config, "utf8")).toBe(OWN);

    await addKey(place, "anthropic:work", "sk-FAKE-1");
    const written = await place.cli("openclaw setup secrets --provider anthropic --write --json");
    expect(written).toMatchObject({ code: 0 });
    expect(JSON.parse(written.stdout).done).toContain("checked: openclaw secrets audit --allow-exec");
    const gateway = await place.startOpenclaw("gateway run");
    await gateway.line(/listening|ready/i);
    const watcher = await place.startCli("openclaw secrets --watch anthropic --every 1s");
    await watcher.line(/watching anthropic/);
    await addKey(place, "anthropic:work", "sk-FAKE-2");
    await watcher.line(/OpenClaw has the new anthropic/);
    await watcher.kill();
    await gateway.kill();
  });
});
