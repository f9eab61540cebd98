import { classifyIn } from "./classify-response.ts";
import { anthropic } from "./dialect/anthropic.ts";
import { codex } from "./dialect/codex.ts";
import { copilot } from "./dialect/copilot.ts";
import { generic } from "./dialect/generic.ts";
import { google } from "./dialect/google.ts";
import { openai } from "./dialect/openai.ts";
import { openrouter } from "./dialect/openrouter.ts";
import { qwen } from "./dialect/qwen.ts";
import type { Classify } from "./provider.ts";

export { classifyTokenEndpoint, readTokenError } from "./classify-token.ts";

const DIALECTS: ReadonlyMap<string, Classify> = new Map(
  (
    [
      ["openai-codex", codex],
      ["openai", codex],
      ["openai-api", openai],
      ["anthropic", anthropic],
      ["google-gemini-cli", google],
      ["google-antigravity", google],
      ["github-copilot", copilot],
      ["openrouter", openrouter],
      ["qwen", qwen],
    ] as const
  ).map(([id, dialect]) => [id, classifyIn(dialect)]),
);
const OTHER = classifyIn(generic);

/** The classifier of a provider; of any id we do not know, the one of no provider in particular. */
export function classifyFor(providerId: string): Classify {
  return DIALECTS.get(providerId) ?? OTHER;
}
