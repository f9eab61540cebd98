import { describe, expect, it } from "vitest";
import { classifyFor, readTokenError } from "../../src/provider/classify.ts";
import { LIMITS, providerOf, readingOf, responseOf, SAMPLES, type Sample } from "../vectors/samples.ts";

/**
 * Where the broker's own classes are finer than the samples': a closed account and a demanded
 * verification are FORBIDDEN, since a new login mends neither.
 */
const FINER: Readonly<Record<string, { readonly outcome: string; readonly ban: boolean }>> = {
  "google-tos-violation-403": { outcome: "FORBIDDEN", ban: true },
  "google-tos-nested-attempts": { outcome: "FORBIDDEN", ban: true },
  "google-tos-disabled-array": { outcome: "FORBIDDEN", ban: true },
  "anthropic-org-disabled-400": { outcome: "FORBIDDEN", ban: true },
  "ag-validation-required-403": { outcome: "FORBIDDEN", ban: false },
};
/** The same bytes mean more after others; alone they are read as given here. */
const ALONE: Readonly<Record<string, string>> = {
  "gemini-exhausted-retryable-second-account": "PROFILE_MODEL",
};
/** The moment in it had passed when it came. */
const STALE = { id: "anthropic-claude-limit-epoch-stale", receivedAtMs: 1_749_925_020_000 };

const scopeOf = ({ id, expected }: Sample) =>
  ALONE[id] ?? expected.scope.toUpperCase().replace("PROFILE+MODEL", "PROFILE_MODEL");

function retryOf(sample: Sample): number | undefined {
  const { retry_at_epoch: epoch, retry_after_seconds: seconds } = sample.expected;
  if (epoch !== undefined) return epoch * 1_000;
  return seconds === undefined ? undefined : responseOf(sample, "").receivedAtMs + seconds * 1_000;
}

describe("each sample from the field is read as expected", () => {
  it.each(SAMPLES.filter(({ negative }) => !negative).map((sample) => [sample.id, sample] as const))(
    "%s",
    (id, sample) => {
      const reading = readingOf(sample);
      const finer = FINER[id];
      expect(reading).toMatchObject({
        outcome: finer?.outcome ?? sample.expected.class.toUpperCase(),
        scope: scopeOf(sample),
      });
      expect("ban" in reading).toBe(finer?.ban ?? false);
      const retryAtMs = retryOf(sample);
      if (retryAtMs !== undefined) expect(reading.retryAtMs).toBe(retryAtMs);
    },
  );

  it.each(SAMPLES.filter(({ negative }) => negative).map((sample) => [sample.id, sample] as const))(
    "%s changes nothing",
    (_id, sample) => {
      const reading = readingOf(sample);
      expect(["OK", "UNRECOGNIZED"]).toContain(reading.outcome);
      expect(reading.scope).toBe("NONE");
      expect(reading).not.toHaveProperty("ban");
    },
  );

  it("states no moment that had passed before the answer came", () => {
    const sample = SAMPLES.find(({ id }) => id === STALE.id) as Sample;
    const response = { ...responseOf(sample, "m"), receivedAtMs: STALE.receivedAtMs };
    const reading = classifyFor("anthropic")(response, LIMITS);
    expect(reading).toMatchObject({ outcome: "USAGE_LIMIT", scope: "PROFILE" });
    expect(reading).not.toHaveProperty("retryAtMs");
  });

  it("never holds a model when none is known", () => {
    for (const sample of SAMPLES) expect(readingOf(sample, "").scope, sample.id).not.toBe("PROFILE_MODEL");
  });

  it("never takes a usage read-out's failure for the account's, but for a refused token", () => {
    for (const sample of SAMPLES.filter(({ where }) => where === "usage_api")) {
      const { outcome, scope } = readingOf(sample);
      expect(scope === "NONE" || (scope === "PROFILE" && outcome === "AUTH_INVALID_TOKEN"), sample.id).toBe(
        true,
      );
    }
  });
});

describe("each refusal of a token endpoint", () => {
  const refusals = SAMPLES.filter(
    ({ where, http_status, body_form }) =>
      where === "token_endpoint" && http_status !== null && body_form.startsWith("wire"),
  );
  const isClient = (sample: Sample) => sample.body.includes("invalid_client");

  it.each(refusals.map((sample) => [sample.id, sample] as const))(
    "%s is terminal only if the login is over",
    (_id, sample) => {
      const { httpStatus: status, headers, body, receivedAtMs } = responseOf(sample, "");
      const error = readTokenError({ providerId: providerOf(sample), status, headers, body, receivedAtMs });
      const isOver = sample.expected.class === "auth_permanent" && !isClient(sample);
      expect(error.kind).toBe(isOver ? "terminal" : "not_now");
      expect(error.code).toMatch(/^[a-z_]{3,40}$/);
    },
  );
});
