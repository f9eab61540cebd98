import { once } from "node:events";
import { createServer } from "node:http";
import { json } from "node:stream/consumers";

/** @typedef {import("./openclaw-backend.mjs").BackendRequest} BackendRequest */
/** @typedef {import("./openclaw-backend.mjs").BackendAnswer} BackendAnswer */

const FORMATS = [
  [/\/responses$/, "openai-responses"],
  [/\/chat\/completions$/, "openai-completions"],
  [/\/messages$/, "anthropic-messages"],
];
const USAGE = { input_tokens: 1, output_tokens: 1, total_tokens: 2 };

/** @param {{socket?: string, port?: number}} [options] */
export async function startOpenclawBackend({ socket, port = 0 } = {}) {
  /** @type {BackendRequest[]} */
  const requests = [];
  const waiters = new Set();
  const refused = new Set();
  const backend = {
    requests,
    /** @type {(request: BackendRequest) => BackendAnswer | Promise<BackendAnswer>} */
    model: ({ account }) => says(`hello from ${account}`),
    refuse: (token) => void refused.add(token),
    async seen(count, matches = () => true) {
      for (;;) {
        const found = requests.filter(matches);
        if (found.length >= count) return found;
        await new Promise((resolve) => waiters.add(resolve));
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
    const [, format] = FORMATS.find(([path]) => path.test(req.url?.split("?")[0] ?? "")) ?? [];
    if (format === undefined) return void res.writeHead(404).end("{}");
    // For ChatGPT OpenClaw compresses (zstd), which not every Node can read.
    const request = describe(req, format, await json(req).catch(() => ({})));
    requests.push(request);
    const answer = refused.has(request.token) || request.account === "" ? DEAD : await backend.model(request);
    request.status = answer.status ?? 200;
    for (const wake of waiters) wake();
    waiters.clear();
    send(res, request, answer);
  });
  // OpenClaw asks ChatGPT over a WebSocket first.
  server.on("upgrade", (_request, connection) => connection.end("HTTP/1.1 426 Upgrade Required\r\n\r\n"));
  server.listen(socket ?? { host: "127.0.0.1", port });
  await once(server, "listening");
  return backend;
}

/** The whole answer. @type {(text: string, headers?: Record<string, string>) => BackendAnswer} */
export function says(text, headers = {}) {
  return { text, headers };
}

/** The model wants a tool; OpenClaw sends what came of it in its next request. */
export function calls(name, args) {
  return { tool: { name, args } };
}

/** @type {(status: number, error: object, headers?: Record<string, string>) => BackendAnswer} */
export function refuses(status, error, headers = {}) {
  return { status, error, headers };
}

/** ChatGPT's answer to an account whose plan is used up. */
export function usageLimit(forMs = 5 * 24 * 3_600_000) {
  return refuses(429, {
    type: "usage_limit_reached",
    message: "The usage limit has been reached",
    plan_type: "plus",
    resets_at: Math.floor((Date.now() + forMs) / 1000),
  });
}

const DEAD = refuses(401, { code: "token_expired", message: "Sign in again." });

function describe(req, format, body) {
  const bearer = (req.headers.authorization ?? "").replace(/^Bearer /i, "");
  const token = bearer || (req.headers["x-api-key"] ?? "");
  return {
    at: performance.timeOrigin + performance.now(),
    format,
    headers: req.headers,
    token,
    // `at-FAKE-a`, `sk-FAKE-a`, and after a refresh `at-FAKE-a-2`: account a. A JWT does not tell.
    account:
      (/FAKE-([a-z]+)/.exec(token) ?? /acct-([a-z]+)/.exec(req.headers["chatgpt-account-id"]))?.[1] ?? "",
    model: body.model,
    body,
    status: 0,
  };
}

function send(res, { format, model }, { status = 200, headers = {}, error, text = "", tool }) {
  if (error !== undefined) {
    const body = format === "anthropic-messages" ? { type: "error", error } : { error };
    res.writeHead(status, { "content-type": "application/json", ...headers });
    return void res.end(JSON.stringify(body));
  }
  res.writeHead(200, { "content-type": "text/event-stream", ...headers });
  for (const event of EVENTS[format](model, text, tool)) res.write(frame(format, event));
  res.end(format === "openai-completions" ? "data: [DONE]\n\n" : "");
}

function frame(format, event) {
  const name = format === "openai-completions" ? "" : `event: ${event.type}\n`;
  return `${name}data: ${JSON.stringify(event)}\n\n`;
}

let nextCall = 0;

const EVENTS = {
  "openai-responses": (_model, text, tool) => {
    const base = { output_index: 0, item_id: "msg_1", content_index: 0 };
    const item = tool === undefined ? textItem(text) : functionCall(tool);
    const delta =
      tool === undefined
        ? [
            { type: "response.content_part.added", ...base, part: { type: "output_text", text: "" } },
            { type: "response.output_text.delta", ...base, delta: text },
          ]
        : [
            {
              type: "response.function_call_arguments.delta",
              output_index: 0,
              item_id: item.id,
              delta: item.arguments,
            },
          ];
    const response = { id: "resp_1", status: "completed", output: [item], usage: USAGE };
    return [
      { type: "response.created", response: { id: "resp_1", status: "in_progress" } },
      { type: "response.output_item.added", output_index: 0, item: { ...item, content: [], arguments: "" } },
      ...delta,
      { type: "response.output_item.done", output_index: 0, item },
      { type: "response.completed", response },
    ];
  },
  "openai-completions": (model, text, tool) => {
    const chunk = (delta, finish_reason = null) => ({
      ...{ id: "chatcmpl_1", object: "chat.completion.chunk", created: 1, model },
      choices: [{ index: 0, delta, finish_reason }],
    });
    const call = { index: 0, id: `call_${++nextCall}`, type: "function" };
    const tool_calls = [{ ...call, function: { name: tool?.name, arguments: JSON.stringify(tool?.args) } }];
    return [
      chunk({ role: "assistant" }),
      chunk(tool === undefined ? { content: text } : { tool_calls }),
      {
        ...chunk({}, tool === undefined ? "stop" : "tool_calls"),
        usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
      },
    ];
  },
  "anthropic-messages": (model, text, tool) => {
    const message = { id: "msg_1", type: "message", role: "assistant", model, content: [], usage: USAGE };
    const block =
      tool === undefined
        ? { type: "text", text: "" }
        : { type: "tool_use", id: `toolu_${++nextCall}`, name: tool.name, input: {} };
    const delta =
      tool === undefined
        ? { type: "text_delta", text }
        : { type: "input_json_delta", partial_json: JSON.stringify(tool.args) };
    return [
      { type: "message_start", message },
      { type: "content_block_start", index: 0, content_block: block },
      { type: "content_block_delta", index: 0, delta },
      { type: "content_block_stop", index: 0 },
      {
        type: "message_delta",
        delta: { stop_reason: tool === undefined ? "end_turn" : "tool_use" },
        usage: USAGE,
      },
      { type: "message_stop" },
    ];
  },
};

function textItem(text) {
  const content = [{ type: "output_text", text, annotations: [] }];
  return { type: "message", role: "assistant", id: "msg_1", status: "completed", content };
}

function functionCall({ name, args }) {
  const id = ++nextCall;
  const names = { name, arguments: JSON.stringify(args) };
  return { type: "function_call", id: `fc_${id}`, call_id: `call_${id}`, status: "completed", ...names };
}
