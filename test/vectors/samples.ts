import { readFileSync } from "node:fs";
import { classifyFor, classifyTokenEndpoint } from "../../src/provider/classify.ts";
import type { ProviderResponse } from "../../src/provider/provider.ts";

/** One answer seen in the field, with what it should be read as. */
export interface Sample {
  readonly id: string;
  readonly provider: string;
  readonly where: "model_api" | "stream_event" | "usage_api" | "token_endpoint";
  readonly http_status: number | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly body_form: string;
  readonly negative: boolean;
  readonly needs_history: boolean;
  readonly expected: {
    readonly class: string;
    readonly scope: string;
    readonly retry_at_epoch?: number;
    readonly retry_after_seconds?: number;
  };
}

export const SAMPLES = JSON.parse(
  readFileSync(new URL("./provider-failures.json", import.meta.url), "utf8"),
) as readonly Sample[];

export const LIMITS = { longestWindowMs: 8 * 86_400_000 };
export const SOME_DAY = Date.UTC(2026, 4, 19, 12);

const SOURCES = {
  model_api: "MODEL_API",
  stream_event: "STREAM_EVENT",
  usage_api: "USAGE_API",
  token_endpoint: "MODEL_API",
} as const;

/** The broker knows one provider where the samples tell subscription and key apart. */
export function providerOf({ provider }: Sample): string {
  return provider.startsWith("anthropic-") ? "anthropic" : provider;
}

export function responseOf(sample: Sample, model: string): ProviderResponse {
  const isTransport = sample.body_form === "transport_error";
  const headers = Object.fromEntries(
    Object.entries(sample.headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
  return {
    source: SOURCES[sample.where],
    httpStatus: sample.http_status ?? 0,
    headers,
    body: isTransport ? "" : sample.body,
    transportError: isTransport ? sample.body : "",
    receivedAtMs: receivedAtMs(sample, headers.date),
    model,
  };
}

/** The moment in the answer's own `Date`, else an hour before the end that is expected. */
function receivedAtMs({ expected }: Sample, date: string | undefined): number {
  if (date !== undefined) return Date.parse(date);
  return expected.retry_at_epoch === undefined ? SOME_DAY : (expected.retry_at_epoch - 3_600) * 1_000;
}

export function readingOf(sample: Sample, model = "some-model") {
  const response = responseOf(sample, model);
  return sample.where === "token_endpoint"
    ? { windows: [], ...classifyTokenEndpoint(providerOf(sample), response) }
    : classifyFor(providerOf(sample))(response, LIMITS);
}
