import { describe, expect, it } from "vitest";
import { classifyFor, readTokenError } from "../../src/provider/classify.ts";
import type { ProviderResponse } from "../../src/provider/provider.ts";
import { LIMITS, providerOf, responseOf, SAMPLES, type Sample } from "../vectors/samples.ts";

const sampleOf = (id: string) => SAMPLES.find((sample) => sample.id === id) as Sample;
const OK: ProviderResponse = {
  source: "MODEL_API",
  httpStatus: 200,
  headers: {},
  body: "{}",
  transportError: "",
  receivedAtMs: 0,
  model: "some-model",
};

function tokenErrors(sample: Sample, times: number) {
  const { httpStatus: status, headers, body, receivedAtMs } = responseOf(sample, "");
  return Array.from({ length: times }, () =>
    readTokenError({ providerId: providerOf(sample), status, headers, body, receivedAtMs }),
  );
}

/** What a single answer cannot tell must not be guessed from it: the reader keeps no memory. */
describe("answers that mean more in a row", () => {
  it("a workspace that flaps is reported as gone and as back, each time anew", () => {
    const sample = sampleOf("codex-deactivated-workspace-402-flapping");
    const gone = responseOf(sample, "some-model");
    const outcomes = [gone, OK, gone, OK].map((r) => classifyFor("openai-codex")(r, LIMITS).outcome);
    expect(outcomes).toEqual(["AUTH_PERMANENT", "OK", "AUTH_PERMANENT", "OK"]);
  });

  it("a token endpoint that refuses the client with 404 on every profile spends no login", () => {
    const errors = tokenErrors(sampleOf("anthropic-token-endpoint-404-ua"), 5);
    expect(errors).toEqual(Array(5).fill({ kind: "not_now", code: "not_found" }));
  });

  it("a token endpoint that refuses the client with 429 on every profile spends no login", () => {
    const errors = tokenErrors(sampleOf("anthropic-token-exchange-429-flow"), 5);
    expect(errors).toEqual(Array(5).fill({ kind: "not_now", code: "rate_limited" }));
  });

  it("a throttle that never ends stays a throttle of the model asked", () => {
    const sample = sampleOf("gemini-exhausted-retryable-second-account");
    const readings = ["a", "b"].map((model) =>
      classifyFor(providerOf(sample))(responseOf(sample, model), LIMITS),
    );
    for (const reading of readings)
      expect(reading).toMatchObject({ outcome: "RATE_LIMIT", scope: "PROFILE_MODEL" });
  });
});
