import { describe, expect, it } from "vitest";
import { ruleSchema } from "../../src/config/rule-schema.ts";
import { classifyFor } from "../../src/provider/classify.ts";
import type { ProviderResponse } from "../../src/provider/provider.ts";
import { withRules } from "../../src/provider/rules.ts";
import { LIMITS, SOME_DAY } from "../vectors/samples.ts";

const ANSWER: ProviderResponse = {
  source: "MODEL_API",
  httpStatus: 400,
  headers: {},
  body: JSON.stringify({ error: { code: "Weird_Thing", message: "余额不足, come BACK later" } }),
  transportError: "",
  receivedAtMs: SOME_DAY,
  model: "some-model",
};

function read(rule: object, answer: Partial<ProviderResponse> = {}, providerId = "own") {
  const parsed = ruleSchema.parse({ name: "mine", outcome: "BILLING", ...rule });
  return withRules(classifyFor(providerId), [parsed], providerId)({ ...ANSWER, ...answer }, LIMITS);
}

describe("an operator's rule", () => {
  it.each([
    [{ code: "weird_thing" }],
    [{ text: "余额不足" }],
    [{ text: "come back" }],
    [{ status: 400 }],
    [{ status: 400, code: "weird_thing", text: "LATER", source: "MODEL_API", provider: "own" }],
  ])("that matches on %j decides", (match) => {
    expect(read({ match })).toEqual({
      outcome: "BILLING",
      scope: "PROFILE",
      windows: [],
      rule: "operator.mine",
    });
  });

  it.each([
    [{ code: "other" }],
    [{ text: "come.*back" }],
    [{ status: 402 }],
    [{ status: 400, text: "absent" }],
    [{ status: 400, provider: "another" }],
    [{ status: 400, source: "STREAM_EVENT" }],
  ])("that matches on %j leaves the answer alone", (match) => {
    expect(read({ match })).toEqual(classifyFor("own")(ANSWER, LIMITS));
  });

  it("gives the moment that the answer states, none, or its own", () => {
    const answer = { headers: { "retry-after": "60" } };
    const match = { status: 400 };
    expect(read({ match }, answer).retryAtMs).toBe(SOME_DAY + 60_000);
    expect(read({ match, reset: "none" }, answer)).not.toHaveProperty("retryAtMs");
    expect(read({ match, reset: "6h" }, answer).retryAtMs).toBe(SOME_DAY + 6 * 3_600_000);
    expect(read({ match, reset: "30d" }, answer)).not.toHaveProperty("retryAtMs");
  });

  it("takes no moment from the answer for an outcome that does not end by itself, unless told to", () => {
    const answer = { headers: { "retry-after": "60" } };
    const rule = { match: { status: 400 }, outcome: "FORBIDDEN" };
    expect(read(rule, answer)).not.toHaveProperty("retryAtMs");
    expect(read({ ...rule, reset: "stated" }, answer).retryAtMs).toBe(SOME_DAY + 60_000);
  });

  it("never reads the content of a good answer", () => {
    const good = { httpStatus: 200, body: '{"text":"come back"}' };
    expect(read({ match: { text: "come back" } }, good).outcome).toBe("OK");
    expect(read({ match: { text: "come back", status: 200 } }, good).outcome).toBe("BILLING");
  });

  it("speaks of usage read-outs only if it says so", () => {
    const usage = { source: "USAGE_API" } as const;
    expect(read({ match: { status: 400 } }, usage).rule).not.toBe("operator.mine");
    expect(read({ match: { status: 400, ...usage } }, usage).rule).toBe("operator.mine");
  });

  it("keeps the windows and never holds an unknown model", () => {
    const headers = { "x-codex-primary-used-percent": "5" };
    const rule = { match: { status: 400 }, outcome: "RATE_LIMIT", scope: "PROFILE_MODEL" };
    const reading = read(rule, { headers, model: "" }, "openai-codex");
    expect(reading).toMatchObject({ scope: "PROFILE", windows: [{ name: "primary" }] });
  });

  it("the first that fits decides", () => {
    const rules = ["first", "second"].map((name) =>
      ruleSchema.parse({ name, match: { provider: "openai-codex", status: 400 }, outcome: "TIMEOUT" }),
    );
    const classify = withRules(classifyFor("openai-codex"), rules, "openai-codex");
    expect(classify(ANSWER, LIMITS).rule).toBe("operator.first");
  });
});

describe("a rule is refused at the start", () => {
  it.each([
    [{ match: {} }],
    [{ match: { status: 400, regex: "x" } }],
    [{ match: { status: 42 } }],
    [{ match: { status: 400 }, outcome: "NOPE" }],
    [{ match: { status: 400 }, outcome: "AUTH_PERMANENT", scope: "PROVIDER" }],
    [{ match: { status: 400 }, reset: "soon" }],
    [{ match: { status: 400 }, name: "My Rule" }],
    [{ match: { text: "ab" } }],
  ])("%j", (rule) => {
    expect(ruleSchema.safeParse({ name: "mine", outcome: "BILLING", ...rule }).success).toBe(false);
  });
});
