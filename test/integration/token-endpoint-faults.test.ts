import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { expect, test } from "vitest";
import { createFetch } from "../../src/provider/fetch.ts";
import { HOUR, MINUTE, refusal, SECOND, watchful, world } from "../support/broker-world.ts";
import { fakeJwt } from "../support/jwt.ts";
import { turns } from "../support/until.ts";

// A whole broker, the real network client, and a token endpoint that behaves as badly as one can. What
// matters is what becomes of the login, not what the answer is called.

const CODEX = "openai-codex";
const A = `${CODEX}:a`;
const WANTS_NEW = { provider: CODEX, minValidFor: "3600s" };
const NEW = {
  access_token: "at-FAKE-new",
  refresh_token: "rt-FAKE-new",
  token_type: "Bearer",
  expires_in: 36_000,
};

type Reply = (response: ServerResponse, request: IncomingMessage) => void;

function answer(status: number, body: unknown, headers: Record<string, string> = {}): Reply {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const type = { "content-type": text.startsWith("<") ? "text/html" : "application/json" };
  return (response) => void response.writeHead(status, { ...type, ...headers }).end(text);
}

/** A token endpoint that gives these answers in turn, then new tokens. */
async function endpoint(...replies: Reply[]) {
  const sent: string[] = [];
  const arrivals: (() => void)[] = [];
  const open = new Set<ServerResponse>();
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    sent.push(new URLSearchParams(body).get("refresh_token") ?? JSON.parse(body).refresh_token);
    for (const arrived of arrivals.splice(0)) arrived();
    open.add(response);
    (replies.shift() ?? answer(200, NEW))(response, request);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/token`,
    /** Refresh tokens that came, in order. */
    sent,
    arrival: () => new Promise<void>((resolve) => arrivals.push(resolve)),
    /** One byte more of each answer that has begun and not ended. */
    drip: () => {
      for (const response of open) if (response.headersSent && !response.writableEnded) response.write(" ");
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function brokerAt(url: string) {
  const broker = await world({
    config: { providers: { [CODEX]: { tokenUrl: url, rotation: "strict" } } },
    fetch: createFetch({ connectTimeoutMs: 10_000 }),
  });
  await broker.put(A, { expireTime: broker.inTime(30 * MINUTE) });
  return broker;
}

const begin: Reply = (response) =>
  response.writeHead(200, { "content-type": "application/json" }).flushHeaders();
const cut =
  (status: number): Reply =>
  (response, request) => {
    response.writeHead(status, { "content-length": "500" });
    response.write('{"access_token":"at-FAKE-new","refresh_tok', () => request.socket.destroy());
  };

const UNSPENT: [string, Reply, number?][] = [
  ["500", answer(500, { error: "server_error" })],
  ["502 without a body", answer(502, "")],
  ["503 with Retry-After", answer(503, {}, { "retry-after": "300" }), 5 * MINUTE],
  ["429 without Retry-After", answer(429, { error: "slow_down" })],
  ["429 with Retry-After", answer(429, {}, { "retry-after": "120" }), 2 * MINUTE],
  ["429 with Retry-After in the past", answer(429, {}, { "retry-after": "Thu, 01 Jan 1970 00:00:00 GMT" })],
  ["429 with a Retry-After of a year", answer(429, {}, { "retry-after": "31536000" })],
  ["403 of an edge", answer(403, "<html>Attention required</html>")],
  ["404", answer(404, { error: "not_found" })],
  ["a page under 200", answer(200, "<!doctype html><title>hotel</title>")],
  ["invalid_client", answer(401, { error: "invalid_client" })],
  ["the token echoed in the error", answer(400, { error: "bad rt-FAKE-a", error_description: "rt-FAKE-a" })],
  ["the token echoed in a header", answer(500, "rt-FAKE-a", { "x-request": "rt-FAKE-a" })],
];

test.each(UNSPENT)(
  "%s: the login is kept, and refreshed when its time has come",
  async (_what, reply, waitMs = MINUTE) => {
    await using server = await endpoint(reply);
    await using broker = await brokerAt(server.url);
    const error = await refusal(broker.acquire(WANTS_NEW));
    expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "UPSTREAM_UNAVAILABLE" });
    expect(await broker.serves(CODEX)).toBe(A);
    await broker.advance(waitMs - SECOND);
    await refusal(broker.acquire(WANTS_NEW));
    expect(server.sent).toHaveLength(1);
    await broker.advance(SECOND);
    expect((await broker.acquire(WANTS_NEW)).credential.oauth?.accessToken).toBe("at-FAKE-new");
    expect(server.sent).toEqual(["rt-FAKE-a", "rt-FAKE-a"]);
    expect(inspect([error, broker.log], { depth: 9 })).not.toContain("rt-FAKE");
  },
);

const SPENT: [string, Reply, boolean?][] = [
  ["a connection that is reset after the request", (_response, request) => request.socket.resetAndDestroy()],
  ["a connection that is closed after the request", (_response, request) => request.socket.end()],
  ["a truncated answer", cut(200)],
  ["a truncated error", cut(400)],
  ["half a JSON object in a whole answer", answer(200, '{"access_token":"at-FAKE-new","refresh_to')],
  ["tokens behind 100 KiB of something else", answer(200, { padding: "x".repeat(100_000), ...NEW })],
  ["a JSON object without tokens", answer(200, { ok: true })],
  ["an access token that is the refresh token", answer(200, { ...NEW, access_token: "rt-FAKE-new" })],
  ["an endpoint that never answers", () => {}, true],
  ["an endpoint that answers a byte at a time, without an end", begin, true],
];

test.each(SPENT)(
  "%s: the access token serves to its end, then the refresh token is sent once more",
  async (_what, reply, hangs = false) => {
    await using server = await endpoint(reply);
    await using broker = await brokerAt(server.url);
    const arrived = server.arrival();
    const call = watchful(refusal(broker.acquire(WANTS_NEW)));
    await arrived;
    for (let second = 0; hangs && second < 30; second += 1) {
      server.drip();
      await turns();
      await broker.clock.advance(SECOND);
    }
    expect((await call.promise).reason).toBe("VALIDITY_UNREACHABLE");
    await broker.advance(20 * MINUTE);
    expect((await broker.acquire(CODEX)).credential.oauth?.accessToken).toBe("at-FAKE-a");
    expect(server.sent).toHaveLength(1);
    await broker.advance(10 * MINUTE);
    expect((await broker.acquire(CODEX)).credential.oauth?.accessToken).toBe("at-FAKE-new");
    expect(server.sent).toEqual(["rt-FAKE-a", "rt-FAKE-a"]);
    expect(inspect(broker.log, { depth: 9 })).not.toContain("rt-FAKE");
  },
);

test.each([301, 302, 303, 307, 308])(
  "a redirect (%d) to another host gets no token there",
  async (status) => {
    await using stranger = await endpoint();
    const elsewhere = stranger.url.replace("127.0.0.1", "localhost");
    await using server = await endpoint(answer(status, "", { location: elsewhere }));
    await using broker = await brokerAt(server.url);
    expect((await refusal(broker.acquire(WANTS_NEW))).reason).toBe("UPSTREAM_UNAVAILABLE");
    await broker.advance(MINUTE);
    expect((await broker.acquire(WANTS_NEW)).lease.generation).toBe(2);
    expect(server.sent).toHaveLength(2);
    expect(stranger.sent).toEqual([]);
  },
);

test.each(["x", -5, null, "NaN", [], 1e300])(
  "an expires_in of %j is not believed: the token is good for an hour, and not refreshed at every request",
  async (expires_in) => {
    await using server = await endpoint(answer(200, { ...NEW, expires_in }));
    await using broker = await brokerAt(server.url);
    await broker.acquire({ provider: CODEX, minValidFor: "3000s" });
    expect(Date.parse((await broker.get(A)).accessTokenExpireTime ?? "") - broker.nowMs).toBe(HOUR);
    for (let i = 0; i < 5; i += 1) await broker.acquire(CODEX);
    expect(server.sent).toHaveLength(1);
  },
);

test("the tokens of another account are not taken, and the login is not sent again", async () => {
  const claims = { "https://api.openai.com/auth": { chatgpt_account_id: "acct-b" } };
  await using server = await endpoint(answer(200, { ...NEW, access_token: fakeJwt(claims) }));
  await using broker = await brokerAt(server.url);
  await refusal(broker.acquire(WANTS_NEW));
  expect((await broker.acquire(CODEX)).credential.oauth).toMatchObject({ accountId: "acct-a" });
  await broker.advance(30 * MINUTE);
  expect((await refusal(broker.acquire(CODEX))).reason).toBe("LOGIN_REQUIRED");
  expect(server.sent).toHaveLength(1);
  expect(broker.log.some(({ level, message }) => level === "error" && /another account/.test(message))).toBe(
    true,
  );
});
