import { createHash } from "node:crypto";
import { text } from "node:stream/consumers";

/** @typedef {import("../authorization-server.mjs").TokenRequest} TokenRequest */
/** @typedef {import("../authorization-server.mjs").Failure} Failure */

/**
 * The first 12 hex digits of the SHA-256 of a token: tells two tokens apart without showing either.
 * @param {string} token
 */
export function fingerprint(token) {
  return createHash("sha256").update(token).digest("hex").slice(0, 12);
}

const json = (status, body, headers = {}) => ({
  status,
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body),
});

/** Answers given in the server's place; the request never reaches it, so no token is spent. */
const ANSWERS = {
  invalid_grant: json(400, { error: "invalid_grant" }),
  invalid_client: json(401, { error: "invalid_client" }),
  server_error: json(500, { error: "server_error" }),
  unavailable: json(503, { error: "temporarily_unavailable" }, { "retry-after": "20" }),
  too_many: json(429, { error: "slow_down" }, { "retry-after": "45" }),
  html: { status: 403, headers: { "content-type": "text/html" }, body: "<html><body>Blocked</body></html>" },
};

/**
 * Stands before a token endpoint: records every request, holds answers back, and spoils the next one.
 *
 * @param {{url: string, onAnswer: (body: Record<string, unknown>) => void, now: () => number}} endpoint
 *   `onAnswer` sees every set of tokens that the endpoint gave, delivered or not.
 */
export function tokenGate({ url, onAnswer, now }) {
  /** @type {TokenRequest[]} */
  const requests = [];
  /** @type {Failure[]} */
  const failures = [];
  const door = makeDoor();
  let waiters = [];

  function enter(request) {
    requests.push(request);
    const ready = waiters.filter(({ count }) => requests.length >= count);
    waiters = waiters.filter(({ count }) => requests.length < count);
    for (const { resolve } of ready) resolve();
  }

  /**
   * @param {import("node:http").IncomingMessage} req
   * @param {import("node:http").ServerResponse} res
   */
  async function handle(req, res) {
    const form = readForm(req.headers["content-type"], await text(req));
    const request = describe(req, form, now());
    enter(request);

    const failure = failures.shift();
    if (failure === "reset") return void req.socket.destroy();
    const spoiled = typeof failure === "object" ? failure : ANSWERS[failure];
    const answer = spoiled ?? (await post(url, form, req.headers.authorization));
    if (spoiled === undefined && answer.status === 200) onAnswer(JSON.parse(answer.body));

    await door.open();
    if (failure === "lost") return void req.socket.destroy();
    request.status = answer.status;
    res.writeHead(answer.status, { ...answer.headers, "content-length": Buffer.byteLength(answer.body) });
    if (failure !== "cut") return void res.end(answer.body);
    res.write(answer.body.slice(0, answer.body.length / 2), () => req.socket.destroy());
  }

  return {
    requests,
    handle,
    hold: door.close,
    release: door.release,
    failNext: (failure) => void failures.push(failure),
    waitForRequests: async (count) => {
      if (requests.length < count) await new Promise((resolve) => waiters.push({ count, resolve }));
    },
  };
}

function describe(req, form, at) {
  const refreshToken = form.get("refresh_token");
  return {
    method: req.method,
    path: req.url,
    at,
    grantType: form.get("grant_type") ?? "",
    ...(refreshToken === null ? {} : { fingerprint: fingerprint(refreshToken) }),
  };
}

function makeDoor() {
  let opened = Promise.resolve();
  let release = () => {};
  return {
    open: () => opened,
    close() {
      release();
      opened = new Promise((resolve) => {
        release = resolve;
      });
    },
    release: () => release(),
  };
}

/** Vendors' token endpoints take JSON as well as forms. */
function readForm(contentType = "", body) {
  return new URLSearchParams(contentType.startsWith("application/json") ? JSON.parse(body) : body);
}

async function post(url, form, authorization) {
  const headers = authorization === undefined ? {} : { authorization };
  const response = await fetch(url, { method: "POST", body: form, headers });
  const contentType = response.headers.get("content-type") ?? "";
  return { status: response.status, headers: { "content-type": contentType }, body: await response.text() };
}
