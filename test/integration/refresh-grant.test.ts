import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { createFetch } from "../../src/provider/fetch.ts";
import { createRefreshGrant } from "../../src/provider/oauth.ts";
import type { OAuthClient } from "../../src/provider/provider.ts";
import { fakeJwt } from "../support/jwt.ts";
import { oauthClient, oldGrant, refreshRequest } from "../support/oauth-request.ts";

interface Seen {
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

let server: Server;
let url: string;
let seen: Seen[];
let sockets: Socket[];
let reply: (response: ServerResponse, request: IncomingMessage) => void;

const refresh = createRefreshGrant({ fetch: createFetch({ connectTimeoutMs: 10_000 }), random: () => 0.5 });

beforeEach(async () => {
  seen = [];
  sockets = [];
  server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    seen.push({ headers: request.headers, body });
    reply(response, request);
  });
  server.on("connection", (socket) => sockets.push(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

function* endless(): Generator<string> {
  yield '{"padding":"';
  for (;;) yield "x".repeat(1024);
}

function answer(status: number, body: string | object, headers: Record<string, string> = {}): void {
  reply = (response) => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(text);
  };
}

const granted = { access_token: "at-FAKE-2", refresh_token: "rt-FAKE-2", expires_in: 3600 };

describe("the request", () => {
  const sent = async (over: Partial<OAuthClient>) => {
    answer(200, granted);
    const result = await refresh(refreshRequest(url, { client: oauthClient(url, over) }));
    expect(result.kind).toBe("granted");
    expect(seen).toHaveLength(1);
    return seen[0] as Seen;
  };

  test("is a form by default, with the client named in it", async () => {
    const { headers, body } = await sent({});
    expect(headers["content-type"]).toBe("application/x-www-form-urlencoded");
    expect(headers.accept).toBe("application/json");
    expect(headers).not.toHaveProperty("authorization");
    expect(Object.fromEntries(new URLSearchParams(body))).toEqual({
      grant_type: "refresh_token",
      refresh_token: "rt-FAKE-1",
      client_id: "client-FAKE",
    });
  });

  test("is JSON where the server wants that", async () => {
    const { headers, body } = await sent({ body: "json", refreshScopes: ["a", "b"] });
    expect(headers["content-type"]).toBe("application/json");
    expect(JSON.parse(body)).toEqual({
      grant_type: "refresh_token",
      refresh_token: "rt-FAKE-1",
      client_id: "client-FAKE",
      scope: "a b",
    });
  });

  test("carries a client secret in the body", async () => {
    const clientSecret = async () => new Secret("cs-FAKE");
    const { body } = await sent({ clientAuth: "post", clientSecret });
    expect(new URLSearchParams(body).get("client_secret")).toBe("cs-FAKE");
  });

  test("or by HTTP Basic, both parts encoded", async () => {
    const clientSecret = async () => new Secret("cs FAKE:%");
    const { headers, body } = await sent({ clientAuth: "basic", clientId: "a:b", clientSecret });
    const basic = Buffer.from(String(headers.authorization).replace("Basic ", ""), "base64").toString();
    expect(basic).toBe("a%3Ab:cs+FAKE%3A%25");
    expect(body).not.toContain("client");
  });

  test("goes over a connection of its own each time, which is closed afterwards", async () => {
    answer(200, granted);
    for (let i = 0; i < 3; i++) await refresh(refreshRequest(url));
    expect(sockets).toHaveLength(3);
    await Promise.all(sockets.map((socket) => socket.destroyed || once(socket, "close")));
    expect(seen.map(({ headers }) => headers.connection)).toEqual(["close", "close", "close"]);
  });
});

describe("a complete answer", () => {
  const read = (over: Parameters<typeof refreshRequest>[1] = {}) => refresh(refreshRequest(url, over));

  test("with new tokens is a grant", async () => {
    answer(200, granted);
    const result = await read();
    expect(result).toMatchObject({ kind: "granted", rotated: true, account: {} });
    expect(result.kind === "granted" && result.grant.refreshToken?.reveal()).toBe("rt-FAKE-2");
  });

  test("without a refresh token keeps the old one, and says so", async () => {
    answer(200, { access_token: "at-FAKE-2" });
    const result = await read();
    expect(result).toMatchObject({ kind: "granted", rotated: false });
    expect(result.kind === "granted" && result.grant.refreshToken?.reveal()).toBe("rt-FAKE-1");
  });

  test("tells whose the new tokens are; what they do not tell stays as known", async () => {
    const claims = { "https://api.openai.com/auth": { chatgpt_account_id: "acct-b" } };
    answer(200, { ...granted, access_token: fakeJwt(claims) });
    const account = { accountId: "acct-a", email: "a@example.test" };
    expect(await read({ account })).toMatchObject({
      kind: "granted",
      account: { accountId: "acct-b", email: "a@example.test" },
    });
  });

  test("an id token that was only kept tells nothing new", async () => {
    answer(200, granted);
    const grant = { ...oldGrant, idToken: new Secret(fakeJwt({ sub: "somebody" })) };
    expect(await read({ grant, account: { userId: "user-a" } })).toMatchObject({
      account: { userId: "user-a" },
    });
  });

  test.each([400, 401, 200])(
    "with invalid_grant under %d is the end of the refresh token",
    async (status) => {
      answer(status, { error: "invalid_grant" });
      expect(await read()).toEqual({ kind: "terminal", code: "invalid_grant" });
    },
  );

  test("with an error nested in an object is read too", async () => {
    answer(401, { error: { code: "refresh_token_reused", message: "x" } });
    const client = oauthClient(url, { providerId: "openai-codex" });
    expect(await read({ client })).toEqual({ kind: "terminal", code: "refresh_token_reused" });
  });

  test("that asks for time is no verdict, and says until when", async () => {
    answer(429, "slow down", { "retry-after": "120" });
    const now = () => ({ wallMs: 1_900_000_000_000, monoMs: 0 });
    expect(await read({ now })).toMatchObject({
      kind: "not_now",
      httpStatus: 429,
      retryAtMs: 1_900_000_120_000,
    });
  });

  test.each([400, 403, 404, 500, 503])(
    "%d without a code of its own is no verdict on the token",
    async (status) => {
      answer(status, "{}");
      expect(await read()).toMatchObject({ kind: "not_now", httpStatus: status });
    },
  );

  test("a page in its place never reached the token endpoint", async () => {
    answer(200, "<!DOCTYPE html><title>Log in to the hotel</title>", { "content-type": "text/html" });
    expect(await read()).toEqual({ kind: "not_now", code: "html", httpStatus: 200 });
    answer(502, "<html>bad gateway</html>", { "content-type": "text/html" });
    expect(await read()).toMatchObject({ kind: "not_now", httpStatus: 502 });
  });

  test("a redirect is not followed", async () => {
    answer(307, "", { location: `${url}-elsewhere` });
    expect(await read()).toEqual({ kind: "not_now", code: "redirected", httpStatus: 307 });
    expect(seen).toHaveLength(1);
  });

  test.each(["", "{}", "[]", "null", '"x"', "ok", '{"access_token":""}', '{"access_token":"at-FAKE-2"'])(
    "that succeeds but cannot be read may have spent the token: %j",
    async (body) => {
      answer(200, body);
      expect(await read()).toEqual({ kind: "lost", code: "no_grant" });
    },
  );

  test.each([
    [200, { kind: "lost", code: "no_grant" }],
    [500, { kind: "not_now", httpStatus: 500 }],
  ])("that never ends under %d is not read to its end", async (status, result) => {
    reply = (response) => {
      response.writeHead(status);
      pipeline(Readable.from(endless()), response).catch(() => {});
    };
    expect(await read()).toMatchObject(result);
  });

  test.each([400, 401, 429, 500, 200])(
    "that echoes the refresh token under %d: nothing of it comes out",
    async (status) => {
      answer(
        status,
        { error: "rt-FAKE-1", error_description: "rt-FAKE-1", code: "rt-FAKE-1" },
        { "x-echo": "rt-FAKE-1" },
      );
      const result = await read();
      expect(["not_now", "lost"]).toContain(result.kind);
      expect(inspect(result, { depth: 10 })).not.toContain("rt-FAKE-1");
      expect(JSON.stringify(result)).not.toContain("rt-FAKE-1");
    },
  );
});

describe("no complete answer", () => {
  test("the connection breaks after the request: lost", async () => {
    reply = (_, request) => request.socket.resetAndDestroy();
    expect(await refresh(refreshRequest(url))).toEqual({ kind: "lost", code: "ECONNRESET" });
  });

  test("the server closes without a word: lost", async () => {
    reply = (_, request) => request.socket.end();
    expect(await refresh(refreshRequest(url))).toEqual({ kind: "lost", code: "UND_ERR_SOCKET" });
  });

  test.each([200, 400])("the answer breaks off under %d: lost", async (status) => {
    reply = (response, request) => {
      response.writeHead(status, { "content-length": "1000" });
      response.write('{"access_token":"at-FAKE-2"}', () => request.socket.end());
    };
    expect(await refresh(refreshRequest(url))).toMatchObject({ kind: "lost" });
  });

  test("the server never answers: lost at the deadline, and the connection is closed", async () => {
    const arrived = new Promise<void>((resolve) => {
      reply = () => resolve();
    });
    const deadline = new AbortController();
    const result = refresh(refreshRequest(url, { signal: deadline.signal }));
    await arrived;
    deadline.abort();
    expect(await result).toEqual({ kind: "lost", code: "timeout" });
    const [socket] = sockets;
    if (socket?.destroyed === false) await once(socket, "close");
  });

  test("the answer drips: lost at the deadline", async () => {
    const begun = new Promise<void>((resolve) => {
      reply = (response) => {
        response.writeHead(200);
        response.write('{"access_token":', () => resolve());
      };
    });
    const deadline = new AbortController();
    const result = refresh(refreshRequest(url, { signal: deadline.signal }));
    await begun;
    deadline.abort();
    expect(await result).toEqual({ kind: "lost", code: "timeout" });
  });
});

describe("nothing left this machine", () => {
  test("the connection is refused", async () => {
    server.close();
    await once(server, "close");
    expect(await refresh(refreshRequest(url))).toEqual({ kind: "unsent", code: "ECONNREFUSED" });
  });

  test("TLS fails", async () => {
    const result = await refresh(refreshRequest(url.replace("http:", "https:")));
    expect(result).toMatchObject({ kind: "unsent", code: expect.stringMatching(/^ERR_SSL_|^EPROTO$/) });
    expect(seen).toEqual([]);
  });

  test("the caller had given up before", async () => {
    const signal = AbortSignal.abort();
    expect(await refresh(refreshRequest(url, { signal }))).toEqual({ kind: "unsent", code: "aborted" });
    expect(sockets).toEqual([]);
  });

  test("the URL would show the token to the network", async () => {
    const client = oauthClient("http://login.example.test/token");
    expect(await refresh(refreshRequest("", { client }))).toEqual({ kind: "unsent", code: "insecure_url" });
  });

  test("the client secret is not to be had", async () => {
    const clientSecret = () => Promise.reject(new Error("cs-FAKE"));
    const client = oauthClient(url, { clientAuth: "post", clientSecret });
    expect(await refresh(refreshRequest(url, { client }))).toEqual({
      kind: "unsent",
      code: "no_client_secret",
    });
    expect(sockets).toEqual([]);
  });

  test("there is no refresh token", async () => {
    const { refreshToken: _, ...grant } = oldGrant;
    expect(await refresh(refreshRequest(url, { grant }))).toEqual({
      kind: "unsent",
      code: "no_refresh_token",
    });
  });
});

describe("with a fetch of somebody else's", () => {
  const failing = (cause: unknown) =>
    createRefreshGrant({ fetch: () => Promise.reject(new TypeError("fetch failed rt-FAKE-1", { cause })) })(
      refreshRequest(url),
    );

  test.each([
    "ECONNREFUSED",
    "ENOTFOUND",
    "EAI_AGAIN",
    "UND_ERR_CONNECT_TIMEOUT",
    "CERT_HAS_EXPIRED",
    "DEPTH_ZERO_SELF_SIGNED_CERT",
  ])("%s means unsent", async (code) => {
    expect(await failing({ code })).toEqual({ kind: "unsent", code });
    expect(await failing(new AggregateError([Object.assign(new Error(), { code })]))).toEqual({
      kind: "unsent",
      code,
    });
  });

  test.each(["ECONNRESET", "EPIPE", "UND_ERR_SOCKET", "UND_ERR_HEADERS_TIMEOUT"])(
    "%s means lost",
    async (code) => {
      expect(await failing({ code })).toEqual({ kind: "lost", code });
    },
  );

  test.each([undefined, "x", { code: "rt-FAKE-1" }, { code: 5 }])(
    "a failure without a code is lost: %j",
    async (cause) => {
      expect(await failing(cause)).toEqual({ kind: "lost", code: "network" });
    },
  );

  test("one that neither answers nor listens is lost at the deadline", async () => {
    const deadline = new AbortController();
    const result = createRefreshGrant({ fetch: () => new Promise(() => {}) })(
      refreshRequest(url, { signal: deadline.signal }),
    );
    setImmediate(() => deadline.abort());
    expect(await result).toEqual({ kind: "lost", code: "timeout" });
  });
});
