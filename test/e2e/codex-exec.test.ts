import { readFileSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { startAuthorizationServer } from "../support/authorization-server.mjs";
import { at, MINUTE } from "../support/broker-world.ts";
import { runs, says } from "../support/codex-backend.mjs";
import {
  codexWorld,
  filesBelow,
  hasNamespaces,
  homesOf,
  onlyThread,
  realCodex,
  tokenIn,
  tokens,
} from "../support/codex-world.ts";
import { json } from "../support/token-endpoint.ts";
import { until } from "../support/until.ts";

const EXEC = ["exec", "--skip-git-repo-check", "-s", "danger-full-access"];

describe.skipIf(!(await hasNamespaces()))("codex exec on a borrowed credential", () => {
  test("sends the token and the account of one profile with every request, and leaves nothing behind", async () => {
    const { backend, codexHome, start, login, processes } = await codexWorld();
    const token = await login("a");
    const own = '{"auth_mode":"chatgpt","OPENAI_API_KEY":null, "tokens":null}';
    await writeFile(join(codexHome, "auth.json"), own);
    backend.model = () => says("all is well");

    const running = await start([...EXEC, "say hi"]);
    expect(await running.exited).toMatchObject({ code: 0 });
    expect(running.stdout()).toContain("all is well");
    expect(backend.modelRequests()).toHaveLength(1);
    for (const request of backend.requests)
      expect(request).toMatchObject({ token, account: "acct-a", status: 200 });

    expect(homesOf(running.pid)).toEqual([]);
    await until(() => processes().length === 0);
    expect(await readdir(join(codexHome, "thread-writer-locks"))).toEqual([".coordination.lock"]);
    expect(await readFile(join(codexHome, "auth.json"), "utf8")).toBe(own);
  });

  test("works with the user's own settings and instructions, and its sessions are the user's", async () => {
    const { backend, codexHome, codex, inside, login, broker } = await codexWorld();
    await login("a");
    await writeFile(join(codexHome, "AGENTS.md"), "Always whistle.");
    expect(await codex([...EXEC, "the first prompt"])).toMatchObject({ code: 0 });
    expect(backend.modelRequests()[0]?.body).toContain("Always whistle.");

    const id = await onlyThread(codexHome);
    expect(await codex([...EXEC, "resume", id, "the second prompt"])).toMatchObject({ code: 0 });
    expect(await codex([...EXEC, "resume", "--last", "the third prompt"])).toMatchObject({ code: 0 });

    // Without the broker, on a login of the user's own, the thread is there as well.
    const { accessToken, idToken, accountId } = tokens("a", broker.nowMs, MINUTE * 60);
    const own = { id_token: idToken, access_token: accessToken, refresh_token: "", account_id: accountId };
    await writeFile(
      join(codexHome, "auth.json"),
      JSON.stringify({ auth_mode: "chatgptAuthTokens", tokens: own, last_refresh: new Date() }),
    );
    const ended = await inside(await realCodex(), [...EXEC, "resume", id, "the fourth prompt"]);
    expect(ended).toMatchObject({ code: 0 });
    const last = backend.modelRequests().at(-1)?.body;
    for (const which of ["first", "second", "third", "fourth"]) expect(last).toContain(`the ${which} prompt`);
    expect(await onlyThread(codexHome)).toBe(id);
  });

  test("an API key serves as well, and stays in the private home", async () => {
    const { backend, broker, codex, codexHome } = await codexWorld();
    await broker.putKey("openai-codex:key");
    expect(await codex([...EXEC, "say hi"])).toMatchObject({ code: 0, stdout: "done\n" });
    expect(backend.modelRequests()).toMatchObject([
      { token: "sk-FAKE-key", account: undefined, status: 200 },
    ]);
    expect(filesBelow(codexHome).filter((path) => readFileSync(path).includes("sk-FAKE"))).toEqual([]);
  });

  test("the commands of the model do not learn where the broker is", async () => {
    const { backend, codex, login } = await codexWorld();
    await login("a");
    backend.model = ({ body }) => (body.includes("PWD=") ? says("seen") : runs("env"));

    expect(await codex([...EXEC, "look around"])).toMatchObject({
      code: 0,
      stdout: "seen\n",
    });
    expect(backend.modelRequests().map(({ body }) => body.includes("AUTH_BROKER"))).toEqual([false, false]);
  });

  test("a token that ends in the middle of a turn is renewed once, by the broker, and the turn ends well", async () => {
    const { backend, broker, start, login } = await codexWorld();
    const first = await login("a", 60 * MINUTE);
    let firstAsked = () => {};
    const asked = new Promise<void>((resolve) => {
      firstAsked = resolve;
    });
    let goOn = () => {};
    const released = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    backend.model = async ({ body }) => {
      if (body.includes("step-done")) return says("the turn is over");
      firstAsked();
      await released;
      return runs("echo step-done");
    };
    const renewed = tokens("a", broker.nowMs, 120 * MINUTE, 2);
    broker.token.always(() =>
      json(200, {
        access_token: renewed.accessToken,
        refresh_token: renewed.refreshToken,
        id_token: renewed.idToken,
        expires_in: 7_200,
      }),
    );

    const running = await start([...EXEC, "take your time"]);
    await asked;
    await broker.advance(56 * MINUTE);
    await until(() => tokenIn(running.pid) === renewed.accessToken);
    await broker.advance(5 * MINUTE);
    goOn();
    expect(await running.exited).toMatchObject({ code: 0 });
    expect(running.stdout()).toContain("the turn is over");

    const sent = backend.modelRequests().map(({ token, status }) => ({ token, status }));
    expect(sent[0]).toEqual({ token: first, status: 200 });
    expect(sent).toContainEqual({ token: first, status: 401 });
    expect(sent.at(-1)).toEqual({ token: renewed.accessToken, status: 200 });
    expect(broker.token.requests.map(({ fields }) => fields.refresh_token)).toEqual(["rt-FAKE-a-1"]);
  });

  test("the server that issues the tokens is asked once, and by the broker, however long a turn is", async () => {
    const issuer = await startAuthorizationServer({ accessTokenTtlSec: 600 });
    onTestFinished(() => issuer.close());
    const { tokenUrl, clientId } = issuer;
    const { backend, broker, start } = await codexWorld({
      config: { providers: { "openai-codex": { tokenUrl, clientId, refreshAt: 0.5 } } },
      fetch: (url, init) => fetch(url, init),
    });
    const account = { sub: "a", email: "a@example.test", accountId: "acct-a" };
    const { accessToken, refreshToken, idToken } = await issuer.login(account);
    await broker.put("openai-codex:a", { accessToken, refreshToken, idToken, expireTime: undefined });
    const used: string[] = [];
    let firstAsked = () => {};
    const asked = new Promise<void>((resolve) => {
      firstAsked = resolve;
    });
    let goOn = () => {};
    const released = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    backend.model = async ({ token, body }) => {
      used.push(token);
      if (body.includes("step-done")) return says("the turn is over");
      firstAsked();
      await released;
      backend.refuse(token);
      return runs("echo step-done");
    };

    const running = await start([...EXEC, "take your time"]);
    await asked;
    const { refreshTime } = await broker.get("openai-codex:a");
    await broker.advance(at(refreshTime) - broker.nowMs);
    await until(() => tokenIn(running.pid) !== accessToken);
    goOn();
    expect(await running.exited).toMatchObject({ code: 0 });
    expect(running.stdout()).toBe("the turn is over\n");
    expect(issuer.requests.map(({ grantType, status }) => ({ grantType, status }))).toEqual([
      { grantType: "authorization_code", status: 200 },
      { grantType: "refresh_token", status: 200 },
    ]);
    expect(issuer.issued("a")).toHaveLength(2);
    expect(used.map((token) => issuer.accountOf(token))).toEqual(["acct-a", "acct-a"]);
    expect(new Set(used).size).toBe(2);
  });
});
