import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** One request that reached the stand-in. */
export interface UsageRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export interface UsageReply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** What the vendors' usage addresses answer, as providers.yaml and their own clients describe it. */
export const READ_OUTS = {
  "/backend-api/wham/usage": (percent: number, resetAtMs: number) => ({
    plan_type: "plus",
    rate_limit: {
      allowed: percent < 100,
      limit_reached: percent >= 100,
      primary_window: {
        used_percent: percent,
        limit_window_seconds: 18_000,
        reset_after_seconds: 3_600,
        reset_at: Math.floor(resetAtMs / 1_000),
      },
      secondary_window: null,
    },
  }),
  "/api/oauth/usage": (percent: number, resetAtMs: number) => ({
    five_hour: { utilization: percent, resets_at: new Date(resetAtMs).toISOString() },
    seven_day: null,
  }),
  "/v1internal:retrieveUserQuota": (percent: number, resetAtMs: number) => ({
    buckets: [
      {
        modelId: "gemini-3-pro",
        remainingFraction: 1 - percent / 100,
        resetTime: new Date(resetAtMs).toISOString(),
      },
    ],
  }),
  "/v1internal:fetchAvailableModels": (percent: number, resetAtMs: number) => ({
    models: {
      "gemini-3-pro": {
        quotaInfo: {
          remainingFraction: 1 - percent / 100,
          resetTime: new Date(resetAtMs).toISOString(),
        },
      },
    },
  }),
} as const;

/** A stand-in for the vendors' usage addresses: a real server that answers as the test says. */
export async function usageServer(answer: (request: UsageRequest) => UsageReply | Promise<UsageReply>) {
  const requests: UsageRequest[] = [];
  const server = createServer(async (incoming, outgoing) => {
    let body = "";
    for await (const chunk of incoming) body += chunk;
    const { method = "", url: path = "", headers } = incoming;
    const request = { method, path, headers, body };
    requests.push(request);
    const { status = 200, headers: more = {}, body: content = "" } = await answer(request);
    outgoing.writeHead(status, { "content-type": "application/json", ...more });
    outgoing.end(typeof content === "string" ? content : JSON.stringify(content));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}
