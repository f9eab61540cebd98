import { createHash } from "node:crypto";
import { connect } from "../dist/client/index.js";

/*
 * An agent: a process of its own that knows the broker and nothing else. Prints one JSON a line, and
 * never a token.
 *
 *   agent.mjs crowd COUNT   acquires COUNT times at once
 *   agent.mjs watch         tells which profile it may use, at each change, until it is ended
 */
// One of the demo's tokens lives for a few seconds only: the usual minute of validity would be out of reach.
const WANTED = { provider: "openai-codex", model: "gpt-5.6-terra", minValidFor: "1s" };

const print = (value) => void process.stdout.write(`${JSON.stringify(value)}\n`);

/** What may be told about a credential. */
function describe({ lease, credential }) {
  const { accessToken, expireTime } = credential.oauth;
  return {
    profile: lease.profile,
    generation: lease.generation,
    token: createHash("sha256").update(accessToken).digest("hex").slice(0, 12),
    goodForSec: Math.floor((expireTime.getTime() - Date.now()) / 1000),
  };
}

const [what, count] = process.argv.slice(2);
const broker = await connect();

if (what === "crowd") {
  const asked = Array.from({ length: Number(count) }, () => broker.acquire(WANTED));
  print({ asked: asked.length });
  for (const granted of await Promise.all(asked)) print(describe(granted));
} else {
  for await (const { granted, unavailable } of broker.watch(WANTED)) {
    print(granted === undefined ? { unavailable: unavailable.reason } : describe(granted));
  }
}
await broker.close();
