import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { HOUR } from "../support/broker-world.ts";
import { codexWorld, hasNamespaces, tokens } from "../support/codex-world.ts";
import { startOpenclawBackend } from "../support/openclaw-backend.mjs";
import { SEED_PROFILES, writeOpenclawHome } from "../support/openclaw-home.ts";
import { type OpenclawPlace, openclawPlace, serve } from "../support/openclaw-place.ts";
import { type OpenclawProgram, openclawProgram } from "../support/openclaw-program.mjs";
import { wayOut } from "../support/way-out.ts";

const EXEC = ["exec", "--skip-git-repo-check", "-s", "danger-full-access", "hello"];

describe.skipIf(!(await hasNamespaces()))("taking over from the real Codex", () => {
  test("plain Codex goes on with its access token and refreshes nothing; undo gives it the current login", async () => {
    const { backend, broker, cli, codexHome, inside } = await codexWorld();
    const path = join(codexHome, "auth.json");
    const login = tokens("a", broker.nowMs, HOUR);
    const file = {
      auth_mode: "chatgpt",
      OPENAI_API_KEY: null,
      tokens: {
        id_token: login.idToken,
        access_token: login.accessToken,
        refresh_token: login.refreshToken,
        account_id: login.accountId,
      },
      last_refresh: new Date(broker.nowMs).toISOString(),
    };
    await mkdir(codexHome, { recursive: true });
    await writeFile(path, JSON.stringify(file), { mode: 0o600 });

    const taken = await cli(["import", "codex", "--take-over", "--json"]);
    expect(taken).toMatchObject({ code: 0 });
    expect(JSON.parse(taken.stdout)).toMatchObject({
      taken: ["openai-codex:a@example.test"],
      check: "checked: `codex login status` reads it",
    });
    const stub = await readFile(path, "utf8");
    expect(stub).not.toContain(login.refreshToken);

    expect(await inside("codex", EXEC)).toMatchObject({ code: 0 });
    expect(backend.modelRequests().map(({ account }) => account)).toEqual([login.accountId]);
    expect(await readFile(path, "utf8")).toBe(stub);

    await broker.advance(2 * HOUR);
    const newer = tokens("a", broker.nowMs, HOUR, 2);
    broker.token.next(() =>
      Response.json({
        access_token: newer.accessToken,
        refresh_token: newer.refreshToken,
        id_token: newer.idToken,
        expires_in: 3_600,
      }),
    );
    await broker.refresh("openai-codex:a@example.test");
    expect(await cli(["import", "codex", "--undo"])).toMatchObject({ code: 0 });
    expect(JSON.parse(await readFile(path, "utf8"))).toMatchObject({
      auth_mode: "chatgpt",
      tokens: { access_token: newer.accessToken, refresh_token: newer.refreshToken },
    });
    expect(await inside("codex", ["login", "status"])).toMatchObject({ code: 0 });
  });
});

describe.skipIf(!(await hasNamespaces()))("taking over from the real OpenClaw", () => {
  let program: OpenclawProgram;
  beforeAll(async () => {
    program = await openclawProgram();
  }, 900_000);

  const listed = async (place: OpenclawPlace) => {
    const { profiles } = JSON.parse(await place.openclaw("models auth list --json"));
    return profiles.map(({ id, type }: { id: string; type: string }) => `${id} ${type}`).sort();
  };

  test("its databases keep access tokens only, it still lists them, and undo brings every login back", {
    timeout: 600_000,
  }, async () => {
    const place = await openclawPlace(program);
    await writeOpenclawHome(place.home, { solenne: "copy" });
    await place.openclaw("doctor --fix --non-interactive");
    const before = SEED_PROFILES.map((id) => `${id.replace("openai-codex:", "openai:")} oauth`);
    await serve(place);

    const taken = await place.cli("import openclaw --take-over --json");
    expect(taken).toMatchObject({ code: 0 });
    expect(JSON.parse(taken.stdout)).toMatchObject({
      taken: expect.objectContaining({ length: 2 }),
      check: "checked: `openclaw models auth list` reads it",
    });
    expect(await listed(place)).toEqual(before);
    const left = JSON.parse((await place.cli("import openclaw --dry-run --json")).stdout);
    expect(left.imported).toHaveLength(2);
    const doctor = JSON.parse((await place.cli("doctor --json")).stdout);
    expect(doctor.sharedGrants).toEqual([]);

    expect(await place.cli("import openclaw --undo")).toMatchObject({ code: 0 });
    expect(await listed(place)).toEqual(before);
    const again = await place.cli("import openclaw --json");
    expect(JSON.parse(again.stdout).imported).toHaveLength(2);
    const { profiles } = JSON.parse((await place.cli("profiles list --json")).stdout);
    for (const view of profiles) {
      expect(view).toMatchObject({ hasRefreshToken: true, ownership: "OWNERSHIP_SHARED" });
    }
  });

  test("its agents answer with the access tokens that it keeps, as before", {
    timeout: 600_000,
  }, async () => {
    const place = await openclawPlace(program);
    await writeOpenclawHome(place.home, { solenne: "copy" });
    await place.openclaw("doctor --fix --non-interactive");
    const socket = join(place.home, "backend.sock");
    const backend = await startOpenclawBackend({ socket });
    onTestFinished(() => backend.close());
    const baseUrl = `http://127.0.0.1:${await wayOut(place.network, socket)}/v1`;
    await writeFile(join(place.home, ".openclaw/openclaw.json"), ownRoute(baseUrl, place.home));
    const ask = async (agent: string) => {
      const stdout = await place.openclaw(`agent --local --agent ${agent} --message hi --json`);
      expect(JSON.parse(stdout).payloads[0].text).toBe("hello from outlook");
      return backend.requests.at(-1)?.token;
    };
    const before = [await ask("main"), await ask("solenne")];
    await serve(place);
    const taken = await place.cli("import openclaw --take-over");
    expect(taken, taken.stderr).toMatchObject({ code: 0 });
    expect([await ask("main"), await ask("solenne")]).toEqual(before);
    expect(await place.cli("import openclaw --undo")).toMatchObject({ code: 0 });
    expect([await ask("main"), await ask("solenne")]).toEqual(before);
  });

  test("while its gateway runs nothing is taken, and the command names the process", {
    timeout: 600_000,
  }, async () => {
    const place = await openclawPlace(program);
    await writeOpenclawHome(place.home, { solenne: "absent" });
    await place.openclaw("doctor --fix --non-interactive");
    await serve(place);
    const before = await place.cli("import openclaw --dry-run --json");
    const gateway = await place.startOpenclaw(
      "gateway run --allow-unconfigured --auth token --token gateway-FAKE --port 18999",
    );
    await gateway.line(/listening|ready/i);
    const refused = await place.cli("import openclaw --take-over --json");
    expect(refused).toMatchObject({ code: 75, stderr: expect.stringMatching(/process(es)? \d+/) });
    await gateway.kill();
    expect((await place.cli("import openclaw --dry-run --json")).stdout).toBe(before.stdout);
    expect(JSON.parse((await place.cli("profiles list --json")).stdout).profiles).toEqual([]);
  });
});

/** OpenClaw asks the backend of the test under its own logins for ChatGPT. */
function ownRoute(baseUrl: string, home: string): string {
  const model = "gpt-5.6-terra";
  const openai = { baseUrl, api: "openai-chatgpt-responses", models: [{ id: model, name: model }] };
  return JSON.stringify({
    auth: { order: { openai: SEED_PROFILES.map((id) => id.replace("openai-codex:", "openai:")) } },
    models: { mode: "merge", providers: { openai } },
    plugins: { slots: { memory: "none" } },
    agents: {
      ownership: "explicit",
      defaults: {
        systemAgent: { agentId: "main" },
        workspace: join(home, "work"),
        skipBootstrap: true,
        model: { primary: `openai/${model}` },
        models: { [`openai/${model}`]: { agentRuntime: { id: "openclaw" }, params: { transport: "sse" } } },
      },
      entries: { main: {}, solenne: {} },
    },
  });
}
