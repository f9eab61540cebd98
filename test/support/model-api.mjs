import { once } from "node:events";
import { createServer } from "node:http";

/** @typedef {import("./model-api.mjs").Answer} Answer */
/** @typedef {import("./model-api.mjs").ModelRequest} ModelRequest */

const UNAUTHORIZED = { status: 401, body: { error: { code: "token_expired", message: "Sign in again." } } };
const WRONG_ACCOUNT = { status: 403, body: { error: { code: "account_mismatch" } } };

/** @param {{accountOf?: (token: string) => string | undefined, now?: () => number}} [options] */
export async function startModelApi({ accountOf = () => undefined, now = Date.now } = {}) {
  /** @type {Map<string, string>} */
  const tokens = new Map();
  /** @type {Map<string, Answer>} */
  const answers = new Map();
  /** @type {ModelRequest[]} */
  const requests = [];

  /** @returns {Answer} */
  function judge(account, headers) {
    if (account === undefined) return UNAUTHORIZED;
    const claimed = headers["chatgpt-account-id"];
    if (claimed !== undefined && claimed !== account) return WRONG_ACCOUNT;
    return answers.get(account) ?? { status: 200, body: { object: "response", account } };
  }

  const server = createServer((req, res) => {
    const token = (req.headers.authorization ?? "").replace(/^Bearer /i, "");
    const account = tokens.get(token) ?? accountOf(token);
    const { status, headers, body } = judge(account, req.headers);
    requests.push({
      method: req.method,
      path: req.url,
      at: now(),
      ...(account === undefined ? {} : { account }),
      status,
    });
    req.resume();
    res.writeHead(status, { "content-type": "application/json", ...headers });
    res.end(JSON.stringify(body ?? {}));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  return {
    baseUrl: `http://127.0.0.1:${server.address().port}`,
    requests,
    accept: (token, account) => void tokens.set(token, account),
    answer(account, answer) {
      if (answer === undefined) answers.delete(account);
      else answers.set(account, answer);
    },
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** @param {{resetsAtMs: number, planType?: string}} limit */
export function usageLimitReached({ resetsAtMs, planType = "plus" }) {
  const resetsAtSec = Math.floor(resetsAtMs / 1000);
  return {
    status: 429,
    headers: {
      "x-codex-primary-used-percent": "100",
      "x-codex-primary-window-minutes": "300",
      "x-codex-primary-reset-at": String(resetsAtSec),
    },
    body: {
      error: {
        type: "usage_limit_reached",
        message: "The usage limit has been reached",
        plan_type: planType,
        resets_at: resetsAtSec,
      },
    },
  };
}
