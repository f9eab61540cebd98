import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import {
  type AuthorizationServer,
  fingerprint,
  type Options,
  startAuthorizationServer,
} from "../support/authorization-server.mjs";
import { start } from "../support/process.mjs";

const ANN = { sub: "ann", email: "ann@example.test", accountId: "acct-a" };
const BOB = { sub: "bob", email: "bob@example.test", accountId: "acct-b", userId: "user-b", planType: "pro" };

let open: AuthorizationServer | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

async function serve(options?: Options): Promise<AuthorizationServer> {
  open = await startAuthorizationServer(options);
  return open;
}

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

async function refresh(server: AuthorizationServer, refreshToken: unknown): Promise<Answer> {
  const response = await fetch(server.tokenUrl, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "refresh_token",
      client_id: server.clientId,
      refresh_token: String(refreshToken),
    }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

function claimsOf(jwt: unknown): Record<string, unknown> {
  return JSON.parse(Buffer.from(String(jwt).split(".")[1] ?? "", "base64url").toString());
}

test("a login gives JWTs that name the account, and a refresh token", async () => {
  const server = await serve();
  const tokens = await server.login(BOB);
  const account = { chatgpt_account_id: "acct-b", chatgpt_user_id: "user-b", chatgpt_plan_type: "pro" };
  expect(claimsOf(tokens.idToken)).toMatchObject({
    sub: "bob",
    email: "bob@example.test",
    "https://api.openai.com/auth": account,
  });
  expect(claimsOf(tokens.accessToken)).toMatchObject({ sub: "bob", "https://api.openai.com/auth": account });
  expect(server.accountOf(tokens.accessToken)).toBe("acct-b");
  expect(server.currentRefreshFingerprint("bob")).toBe(fingerprint(tokens.refreshToken));
  expect(server.requests.map((request) => request.grantType)).toEqual(["authorization_code"]);
});

test("a refresh brings a new refresh token, and both are on record without being shown", async () => {
  const server = await serve();
  const { refreshToken } = await server.login(ANN);
  const { status, body } = await refresh(server, refreshToken);
  expect(status).toBe(200);
  expect(body.refresh_token).not.toBe(refreshToken);
  const prints = [fingerprint(refreshToken), fingerprint(String(body.refresh_token))];
  expect(server.issued("ann")).toEqual(prints);
  expect(server.requests[1]).toMatchObject({
    grantType: "refresh_token",
    fingerprint: prints[0],
    status: 200,
  });
  expect(JSON.stringify(server.requests)).not.toContain(refreshToken);
});

test("strict: the second use of a refresh token is refused and kills its successors, but no other login", async () => {
  const server = await serve();
  const [first, other, bob] = [await server.login(ANN), await server.login(ANN), await server.login(BOB)];
  const second = await refresh(server, first.refreshToken);
  const refusal = { status: 400, body: { error: "invalid_grant" } };
  expect(await refresh(server, first.refreshToken)).toMatchObject(refusal);
  expect(await refresh(server, second.body.refresh_token)).toMatchObject(refusal);
  expect(await refresh(server, other.refreshToken)).toMatchObject({ status: 200 });
  expect(await refresh(server, bob.refreshToken)).toMatchObject({ status: 200 });
});

test("strict: of ten uses at once exactly one succeeds", async () => {
  const server = await serve();
  const { refreshToken } = await server.login(ANN);
  const answers = await Promise.all(Array.from({ length: 10 }, () => refresh(server, refreshToken)));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
});

test("grace: a used refresh token works again until the grace is over", async () => {
  let now = Date.now();
  const server = await serve({ rotation: "grace", graceMs: 30_000, now: () => now });
  const { refreshToken } = await server.login(ANN);
  const first = await refresh(server, refreshToken);
  now += 29_999;
  const second = await refresh(server, refreshToken);
  expect([first.status, second.status]).toEqual([200, 200]);
  expect(second.body.refresh_token).not.toBe(first.body.refresh_token);
  now += 1;
  expect(await refresh(server, refreshToken)).toMatchObject({
    status: 400,
    body: { error: "invalid_grant" },
  });
  expect(await refresh(server, second.body.refresh_token)).toMatchObject({ status: 400 });
});

test("none: the refresh token stays the same", async () => {
  const server = await serve({ rotation: "none" });
  const { refreshToken } = await server.login(ANN);
  expect((await refresh(server, refreshToken)).body.refresh_token).toBe(refreshToken);
  expect((await refresh(server, refreshToken)).status).toBe(200);
  expect(server.issued("ann")).toEqual([fingerprint(refreshToken)]);
});

test("access tokens live as long as they were told to, and end", async () => {
  let now = Date.now();
  const server = await serve({ accessTokenTtlSec: 5, now: () => now });
  const { accessToken, refreshToken, expiresIn } = await server.login(ANN);
  const { iat, exp } = claimsOf(accessToken);
  expect([expiresIn, Number(exp) - Number(iat)]).toEqual([5, 5]);
  expect(server.accountOf(accessToken)).toBe("acct-a");
  now = Number(exp) * 1000;
  expect(server.accountOf(accessToken)).toBeUndefined();
  server.setAccessTokenTtl(3600);
  expect((await refresh(server, refreshToken)).body.expires_in).toBe(3600);
});

test("held answers wait until they are released, and the requests are on record meanwhile", async () => {
  const server = await serve();
  const logins = await Promise.all(Array.from({ length: 10 }, () => server.login(ANN)));
  server.hold();
  let answered = 0;
  const answers = logins.map(async ({ refreshToken }) => {
    const answer = await refresh(server, refreshToken);
    answered++;
    return answer;
  });
  await server.waitForRequests(20);
  const elsewhere = () => fetch(`${server.issuer}/.well-known/openid-configuration`).then((r) => r.text());
  while (server.issued("ann").length < 20) await elsewhere();
  await elsewhere();
  const held = server.requests.slice(10);
  expect(held.map(({ fingerprint }) => fingerprint).sort()).toEqual(
    logins.map(({ refreshToken }) => fingerprint(refreshToken)).sort(),
  );
  expect(held.every(({ status }) => status === undefined)).toBe(true);
  expect(answered).toBe(0);
  server.release();
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array(10).fill(200));
  expect(held.every(({ status }) => status === 200)).toBe(true);
});

test.each(["lost", "cut"] as const)(
  "%s: no whole answer arrives, yet the token is spent",
  async (failure) => {
    const server = await serve();
    const { refreshToken } = await server.login(ANN);
    server.failNext(failure);
    await expect(refresh(server, refreshToken)).rejects.toThrow();
    expect(server.issued("ann")).toHaveLength(2);
    expect(await refresh(server, refreshToken)).toMatchObject({
      status: 400,
      body: { error: "invalid_grant" },
    });
  },
);

test("reset: the connection breaks and the token is still good", async () => {
  const server = await serve();
  const { refreshToken } = await server.login(ANN);
  server.failNext("reset");
  await expect(refresh(server, refreshToken)).rejects.toThrow();
  expect((await refresh(server, refreshToken)).status).toBe(200);
});

test("an answer in the server's place is given once and spends nothing", async () => {
  const server = await serve();
  const { refreshToken } = await server.login(ANN);
  server.failNext("unavailable");
  server.failNext({ status: 418, headers: {}, body: '{"error":"teapot"}' });
  expect((await refresh(server, refreshToken)).status).toBe(503);
  expect(await refresh(server, refreshToken)).toEqual({ status: 418, body: { error: "teapot" } });
  expect((await refresh(server, refreshToken)).status).toBe(200);
});

test("a refresh may be sent as JSON", async () => {
  const server = await serve();
  const { refreshToken } = await server.login(ANN);
  const response = await fetch(server.tokenUrl, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      grant_type: "refresh_token",
      client_id: server.clientId,
      refresh_token: refreshToken,
    }),
  });
  expect(response.status).toBe(200);
});

test("another client can't use the refresh token", async () => {
  const server = await serve();
  const { refreshToken } = await server.login(ANN);
  const answer = await refresh({ ...server, clientId: "someone-else" }, refreshToken);
  expect(answer).toMatchObject({ status: 401, body: { error: "invalid_client" } });
});

test("a revoked account has no good token left and can log in again", async () => {
  const server = await serve();
  const { accessToken, refreshToken } = await server.login(ANN);
  server.revoke("ann");
  expect(server.accountOf(accessToken)).toBeUndefined();
  expect(await refresh(server, refreshToken)).toMatchObject({
    status: 400,
    body: { error: "invalid_grant" },
  });
  expect((await refresh(server, (await server.login(ANN)).refreshToken)).status).toBe(200);
});

test("the browser's part alone ends at the client's own address with a code", async () => {
  const server = await serve();
  const query = new URLSearchParams({
    response_type: "code",
    client_id: server.clientId,
    redirect_uri: "http://localhost:1455/auth/callback",
    scope: "openid profile email offline_access",
    state: "s-1",
    code_challenge: "A".repeat(43),
    code_challenge_method: "S256",
    codex_cli_simplified_flow: "true",
  });
  const end = await server.authorize(`${server.authorizeUrl}?${query}`, ANN);
  expect(end.origin + end.pathname).toBe("http://localhost:1455/auth/callback");
  expect(end.searchParams.get("state")).toBe("s-1");
  expect(end.searchParams.get("code")).toBeTruthy();
});

test("it runs as a process of its own and is told what to do line by line", async () => {
  const script = fileURLToPath(new URL("../support/authorization-server.mjs", import.meta.url));
  const server = await start(process.execPath, [script, '{"accessTokenTtlSec":7}'], { keepStdin: true });
  const addresses = JSON.parse((await server.line(/^\{"issuer".*/))[0]);
  server.send(JSON.stringify({ call: "login", args: [ANN] }));
  const { result } = JSON.parse((await server.line(/^\{"result".*/))[0]);
  expect(result.expiresIn).toBe(7);
  expect((await refresh(addresses, result.refreshToken)).status).toBe(200);
  expect(await server.kill()).toEqual({ code: null, signal: "SIGTERM" });
});
