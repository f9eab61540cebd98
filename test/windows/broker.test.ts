import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type AuthorizationServer, startAuthorizationServer } from "../support/authorization-server.mjs";
import { hasWine, type Program, Wine, windowsPath } from "../support/wine.ts";

const MAIN = "bin/auth-broker.js";
const HELPER = "test/support/windows-pipe.mjs";
const ANN = { sub: "ann", email: "ann@example.test", accountId: "acct-ann" };
const ID = "openai-codex:ann";

describe.skipIf(!hasWine())("a broker on Windows", () => {
  let wine: Wine;
  let server: AuthorizationServer;
  beforeAll(async () => {
    [wine, server] = await Promise.all([Wine.open(), startAuthorizationServer({ rotation: "strict" })]);
  }, 120_000);
  afterAll(async () => {
    await server?.close();
    await wine?.close();
  });

  /** A home of its own, with names of its own for the pipes. */
  class Home {
    readonly path = mkdtempSync(join(tmpdir(), "windows-"));
    readonly name = this.path.slice(this.path.lastIndexOf("-") + 1);
    readonly env = {
      AUTH_BROKER_HOME: windowsPath(this.path),
      AUTH_BROKER_SOCKET: `npipe:${this.name}-agent`,
      AUTH_BROKER_ADMIN_SOCKET: `npipe:${this.name}-admin`,
    };

    constructor() {
      const { tokenUrl, clientId } = server;
      const providers = { "openai-codex": { tokenUrl, clientId, rotation: "strict" } };
      writeFileSync(
        join(this.path, "config.json"),
        JSON.stringify({ providers, refresh: { minInterval: "0s" } }),
      );
      onTestFinished(() => rmSync(this.path, { recursive: true, force: true }));
    }

    cli(args: string, env: Record<string, string> = {}) {
      return wine.run(MAIN, args.split(" "), { ...this.env, ...env });
    }

    async serve(env: Record<string, string> = {}): Promise<Program> {
      const broker = await wine.start(MAIN, ["serve"], { ...this.env, ...env });
      onTestFinished(async () => void (await broker.kill()));
      await broker.line(/the broker serves/);
      return broker;
    }

    /** Puts a login whose access token is over. */
    async add(): Promise<void> {
      const { accessToken, refreshToken } = await server.login(ANN);
      const file = join(this.path, "login.json");
      const expireTime = new Date(Date.now() - 1_000).toISOString();
      writeFileSync(file, JSON.stringify({ oauth: { accessToken, refreshToken, expireTime } }));
      expect(await this.cli(`profiles add ${ID} --from-file ${windowsPath(file)}`)).toMatchObject({
        code: 0,
      });
    }

    async access(end: "agent" | "admin"): Promise<readonly string[]> {
      const { stdout } = await wine.run(HELPER, ["access", `${this.name}-${end}`]);
      return JSON.parse(stdout);
    }

    async squat(end: "agent" | "admin"): Promise<Program> {
      const squatter = await wine.start(HELPER, ["squat", `${this.name}-${end}`]);
      onTestFinished(async () => void (await squatter.kill()));
      await squatter.line(/squatting/);
      return squatter;
    }
  }

  test("refreshes, keeps, hands out, and takes over from a killed one", async () => {
    const home = new Home();
    const first = await home.serve();
    await home.add();
    const granted = await home.cli("acquire openai-codex --json");
    expect(granted).toMatchObject({ code: 0, stderr: "" });
    const { accessToken } = JSON.parse(granted.stdout).credential.oauth;
    expect(server.accountOf(accessToken)).toBe(ANN.accountId);

    expect(await home.cli("serve")).toMatchObject({
      code: 75,
      stderr: expect.stringMatching(/another broker \(process \d+\) owns this state/),
    });

    await first.kill();
    expect(await home.cli("status")).toMatchObject({ code: 69 });
    await home.serve();
    const again = await home.cli("token openai-codex");
    expect(again).toMatchObject({ code: 0, stdout: `${accessToken}\n` });
    expect(await home.cli("audit verify")).toMatchObject({ code: 0 });
    const program = await wine.run(HELPER, ["client", `${home.name}-agent`]);
    const sha256 = createHash("sha256").update(accessToken).digest("hex");
    expect(JSON.parse(program.stdout)).toEqual({ sha256 });
  });

  test("what a refresh brought is sent when it has ended, by the broker that follows a killed one", async () => {
    const home = new Home();
    const first = await home.serve();
    await home.add();
    await home.cli("acquire openai-codex");
    const current = server.currentRefreshFingerprint(ANN.sub);
    await first.kill();
    await home.serve();
    expect(await home.cli(`profiles refresh ${ID}`)).toMatchObject({ code: 0 });
    expect(server.requests.at(-1)).toMatchObject({ status: 200, fingerprint: current });
  });

  test("leaves its pipes to its own user: no other is in the access list of any instance", async () => {
    const home = new Home();
    await home.serve();
    const own = expect.stringMatching(/^D:P\(A;;(?:FA|0x1f01ff);;;S-1-5-21-[\d-]+\)$/);
    expect(await home.access("agent")).toEqual([own, own]);
    expect(await home.access("admin")).toEqual([own, own]);
  });

  test("that finds its pipe in another user's hands does not start, and no command tells that pipe anything", async () => {
    const home = new Home();
    const squatter = await home.squat("admin");
    const foreign = `npipe:${home.name}-admin belongs to another user (S-1-5-21-1-2-3-1001)`;
    expect(await home.cli("serve")).toMatchObject({ code: 78, stderr: expect.stringContaining(foreign) });
    writeFileSync(join(home.path, "key.json"), JSON.stringify({ oauth: { accessToken: "at-FAKE" } }));
    const put = await home.cli(`profiles add ${ID} --from-file ${windowsPath(join(home.path, "key.json"))}`);
    expect(put).toMatchObject({ code: 77, stderr: expect.stringContaining(foreign) });
    expect(squatter.stdout()).toBe("squatting\n");
  });

  test("without koffi nothing is told to a pipe that nobody knows, and a strict broker does not start", async () => {
    const home = new Home();
    const bare = { NODE_PATH: "" };
    await home.serve(bare);
    const missing = { stderr: expect.stringContaining("the package koffi is not there") };
    expect(await home.cli("status", bare)).toMatchObject({ code: 77, ...missing });
    const strict = new Home();
    writeFileSync(join(strict.path, "config.json"), JSON.stringify({ hardening: "strict" }));
    expect(await strict.cli("serve", bare)).toMatchObject({ code: 78, ...missing });
  });

  test("whose name a stranger takes after its end gets no call of a program that was connected to it", async () => {
    const home = new Home();
    const broker = await home.serve();
    await home.add();
    const go = join(home.path, "go");
    const program = await wine.start(HELPER, ["client", `${home.name}-agent`, windowsPath(go)]);
    await program.line(/"sha256":"[^"]+"/);
    await broker.kill();
    const squatter = await home.squat("agent");
    mkdirSync(go);
    await program.exited;
    expect(JSON.parse(program.stdout().trim().split("\n")[1] ?? "")).toEqual({
      code: "UNAVAILABLE",
      reason: "",
    });
    expect(squatter.stdout()).toBe("squatting\n");
  });
});
