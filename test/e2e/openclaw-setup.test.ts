import { readdir, readFile, stat, writeFile } from "node:fs/promises";
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
    await place.openclaw("config file");
    const config = join(place.home, ".openclaw/openclaw.json");
    await import("node:fs/promises").then(({ mkdir }) =>
      mkdir(join(place.home, ".openclaw"), { recursive: true }),
    );
    await writeFile(config, OWN, { mode: 0o600 });
    await serve(place);
    return { ...place, config };
  }

  const addKey = (place: OpenclawPlace, id: string, key: string) =>
    place.cli(`profiles add ${id} --from-file -`, { input: JSON.stringify({ apiKey: { key } }) });

  test("every route passes OpenClaw's own checks, and comes out without a trace", {
    timeout: 400_000,
  }, async () => {
    const place = await installed();
    expect(await addKey(place, "anthropic:work", "sk-FAKE-1")).toMatchObject({ code: 0 });
    for (const args of ["codex", "plugin", "secrets --provider anthropic=anthropic:work"]) {
      const written = await place.cli(`openclaw setup ${args} --write --json`);
      expect(written).toMatchObject({ code: 0 });
      expect(JSON.parse(written.stdout).done).toContain("checked: openclaw config validate");
    }
    const helper = join(place.home, "broker/openclaw/secrets");
    expect((await stat(helper)).mode & 0o777).toBe(0o700);
    const audit = JSON.parse(await place.openclaw("secrets audit --allow-exec --json"));
    expect(audit).toMatchObject({ status: "clean", resolution: { refsChecked: 1 } });
    for (const route of ["secrets", "plugin", "codex"]) {
      expect(await place.cli(`openclaw setup ${route} --undo`)).toMatchObject({ code: 0 });
    }
    expect(await readFile(place.config, "utf8")).toBe(OWN);
    expect(await readdir(join(place.home, "broker/openclaw"))).toEqual(["setup.json"]);
  });

  test("what OpenClaw cannot resolve is not written", { timeout: 200_000 }, async () => {
    const place = await installed();
    const refused = await place.cli("openclaw setup secrets --provider anthropic=anthropic:none --write");
    expect(refused).toMatchObject({ code: 78, stderr: expect.stringContaining("NOT_FOUND") });
    expect(await readFile(place.config, "utf8")).toBe(OWN);
    expect(await place.cli("openclaw setup secrets --undo")).toMatchObject({ code: 66 });
  });

  test("what was changed since stays when a route is taken out", { timeout: 200_000 }, async () => {
    const place = await installed();
    expect(await place.cli("openclaw setup codex --write")).toMatchObject({ code: 0 });
    await place.openclaw("config set gateway.port 19001 --strict-json");
    expect(await place.cli("openclaw setup codex --undo")).toMatchObject({ code: 0 });
    const config = JSON.parse(await readFile(place.config, "utf8"));
    expect(config.gateway).toMatchObject({ mode: "local", port: 19001 });
    expect(JSON.stringify(config)).not.toContain("appServer");
  });

  test("a running gateway hears of a new credential", { timeout: 300_000 }, async () => {
    const place = await installed();
    await addKey(place, "anthropic:work", "sk-FAKE-1");
    expect(await place.cli("openclaw setup secrets --provider anthropic=anthropic --write")).toMatchObject({
      code: 0,
    });
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
