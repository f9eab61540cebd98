import type { Reading } from "../../src/domain/outcome.ts";
import { classifyFor } from "../../src/provider/classify.ts";
import type { ProviderResponse } from "../../src/provider/provider.ts";
import { LIMITS, SOME_DAY } from "../vectors/samples.ts";

export type Answer = Partial<Omit<ProviderResponse, "body">> & { readonly body?: unknown };

/** What is read out of an answer that came on `SOME_DAY`. A body that is no text is sent as JSON. */
export function classified(provider: string, { body = "", ...answer }: Answer): Reading {
  const response: ProviderResponse = {
    source: "MODEL_API",
    httpStatus: 0,
    headers: {},
    transportError: "",
    receivedAtMs: SOME_DAY,
    model: "some-model",
    ...answer,
    body: typeof body === "string" ? body : JSON.stringify(body),
  };
  return classifyFor(provider)(response, LIMITS);
}

/** Outcome and scope, and the wait until the reset where one is stated: `USAGE_LIMIT PROFILE 60000`. */
export function reading(provider: string, answer: Answer): string {
  const { outcome, scope, retryAtMs } = classified(provider, answer);
  return [outcome, scope, ...(retryAtMs === undefined ? [] : [retryAtMs - SOME_DAY])].join(" ");
}
