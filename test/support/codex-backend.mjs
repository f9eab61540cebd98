import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";

/** @typedef {import("./codex-backend.mjs").ModelAnswer} ModelAnswer */
/** @typedef {import("./codex-backend.mjs").BackendRequest} BackendRequest */

const ACCOUNT_CLAIM = "https://api.openai.com/auth";

/** @param {{socket?: string, now?: () => number}} [options] */
export async function startCodexBackend({ socket, now = Date.now } = {}) {
  /** @type {BackendRequest[]} */
  const requests = [];
  const refused = new Set();
  const waiters = [];
  const backend = {
    requests,
    /** @type {(request: BackendRequest) => ModelAnswer | Promise<ModelAnswer>} */
    model: () => says("done"),
    refuse: (token) => void refused.add(token),
    modelRequests: () => requests.filter(({ path }) => path.endsWith("/responses")),
    async seen(matches) {
      for (;;) {
        const found = requests.find(matches);
        if (found !== undefined) return found;
        await new Promise((resolve) => waiters.push(resolve));
      }
    },
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };

  const server = createServer(async (req, res) => {
    const body = await text(req);
    const request = describe(req, body, now());
    if (request.status === 200 && refused.has(request.token)) request.status = 401;
    requests.push(request);
    for (const wake of waiters.splice(0)) wake();
    if (request.status !== 200) return send(res, REFUSAL(request.status));
    send(res, request.path.endsWith("/responses") ? await backend.model(request) : fixed(request));
  });
  // Codex tries a WebSocket first; this answer makes it use server-sent events.
  server.on("upgrade", (_req, connection) => {
    connection.end("HTTP/1.1 426 Upgrade Required\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
  });
  server.listen(socket ?? { host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  return Object.assign(backend, { port: server.address().port });
}

/** A whole answer of the model: some text, then the end of the turn. */
export function says(message, headers = {}) {
  const content = [{ type: "output_text", text: message }];
  return events([{ type: "message", role: "assistant", id: "msg_1", content }], headers);
}

/** The model asks for a shell command; Codex sends what came of it in its next request. */
export function runs(command, headers = {}) {
  const args = JSON.stringify({ cmd: command });
  return events(
    [{ type: "function_call", name: "exec_command", call_id: `call_${command.length}`, arguments: args }],
    headers,
  );
}

function events(items, headers) {
  const usage = { input_tokens: 1, output_tokens: 1, total_tokens: 2 };
  const list = [
    { type: "response.created", response: { id: "resp_1" } },
    ...items.map((item) => ({ type: "response.output_item.done", item })),
    { type: "response.completed", response: { id: "resp_1", usage } },
  ];
  return {
    status: 200,
    headers: { "content-type": "text/event-stream", ...headers },
    body: list.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(""),
  };
}

const REFUSAL = (status) => ({
  status,
  body: { error: { code: status === 401 ? "token_expired" : "account_mismatch", message: "Refused." } },
});

/** Everything but the model's own endpoint answers the same for every account. */
function fixed({ path, account }) {
  if (path.endsWith("/wham/accounts/check")) {
    const origin = { workspace_backend_origin: "NO_CONSTRAINT", account_routing_override: "NO_CONSTRAINT" };
    const accounts = [{ id: account, ...origin }];
    return { status: 200, body: { accounts, default_account_id: account, account_ordering: [] } };
  }
  if (path.endsWith("/models")) return { status: 200, body: { models: [] } };
  return { status: 200, body: {} };
}

function describe(req, body, nowMs) {
  const token = (req.headers.authorization ?? "").replace(/^Bearer /i, "");
  const claims = claimsOf(token);
  const account = req.headers["chatgpt-account-id"];
  const known = claims?.[ACCOUNT_CLAIM]?.chatgpt_account_id;
  const isGood = token.startsWith("sk-FAKE") || (claims !== undefined && claims.exp * 1000 > nowMs);
  return {
    method: req.method,
    path: new URL(req.url, "http://backend").pathname,
    at: performance.timeOrigin + performance.now(),
    token,
    account,
    body,
    status: !isGood ? 401 : known === account ? 200 : 403,
  };
}

function claimsOf(token) {
  try {
    return JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());
  } catch {
    return undefined;
  }
}

function send(res, { status, headers = {}, body }) {
  const isText = typeof body === "string";
  res.writeHead(status, { "content-type": "application/json", ...headers });
  res.end(isText ? body : JSON.stringify(body));
}
