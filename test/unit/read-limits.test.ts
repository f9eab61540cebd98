import { describe, expect, test } from "vitest";
import { BrokerFailure } from "../../src/domain/failure.ts";
import { readAcquire, readReport } from "../../src/rpc/read.ts";
import type { Message } from "../../src/rpc/schema.ts";

const MANY = 130_000;
const asked = (more: object): Message =>
  ({
    provider: "x",
    model: "",
    sessionId: "",
    pool: "",
    kinds: [],
    profile: "",
    excludeProfiles: [],
    ...more,
  }) as Message;

/** What is wrong with a message, as the caller is told. */
function violations(read: () => unknown): readonly object[] {
  try {
    read();
  } catch (error) {
    if (error instanceof BrokerFailure && error.failure.kind === "field_invalid")
      return error.failure.violations;
    throw error;
  }
  return [];
}

describe("a list with more entries than can be meant is refused as a whole, not entry by entry:", () => {
  test("kinds", () => {
    const kinds = Array.from({ length: MANY }, () => 99);
    expect(violations(() => readAcquire(asked({ kinds })))).toMatchObject([{ field: "kinds" }]);
  });

  test("profiles to leave out", () => {
    const excludeProfiles = Array.from({ length: MANY }, () => "");
    expect(violations(() => readAcquire(asked({ excludeProfiles })))).toMatchObject([
      { field: "exclude_profiles" },
    ]);
  });

  test("usage windows of a report", () => {
    const usageWindows = Array.from({ length: MANY }, () => ({ name: "" }));
    const message = {
      leaseId: "l",
      report: "outcome",
      outcome: "OUTCOME_OK",
      model: "",
      retryTime: null,
      responseStarted: false,
      usageWindows,
      acquireNext: false,
    } as unknown as Message;
    expect(violations(() => readReport(message, 0))).toEqual([
      expect.objectContaining({ description: "must not have more than 64 entries" }),
    ]);
  });
});
