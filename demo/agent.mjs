import { createHash } from "node:crypto";
import { connect } from "../dist/client/index.js";

/**
 * An agent: a process of its own that knows the broker and nothing else. Prints one JSON per line and
 * never a token.
 *
 *   agent.mjs call SESSION     acquires and calls the model once
 *   agent.mjs crowd COUNT      acquires COUNT times at once
 *   agent.mjs watch            tells which profile it was given, at each change, until it is ended
 */
const PROVIDER = "openai-codex";
const MODEL = "gpt-5.4";

const print = (value) => void process.stdout.write(`${JSON.stringify(value)}\n`);

/** What may be told about a credential. */
function describe({ lease, credential }) {
  const { accessToken, expireTime } = credential.oauth;
  return {
    profile: lease.profile,
    generation: lease.generation,
    token: createHash("sha256").update(accessToken).digest("hex").slice(0, 8),
    goodForSec: Math.floor((expireTime - Date.now()) / 1000),
  };
}

const [what, argument] = process.argv.slice(2);
await using broker = await connect();

if (what === "call") {
  const granted = await broker.acquire({ provider: PROVIDER, model: MODEL, sessionId: argument });
  const { baseUrl, headers } = granted.credential;
  const response = await fetch(`${baseUrl}/responses`, { method: "POST", headers, body: "{}" });
  print({ ...describe(granted), status: response.status });
} else if (what === "crowd") {
  const asked = Array.from({ length: Number(argument) }, () => broker.acquire({ provider: PROVIDER }));
  for (const granted of await Promise.all(asked)) print(describe(granted));
} else if (what === "watch") {
  for await (const state of broker.watch({ provider: PROVIDER, model: MODEL })) {
    print(state.granted === undefined ? { unavailable: state.unavailable.reason } : describe(state.granted));
  }
} else {
  throw new Error(`no such agent: ${what}`);
}
