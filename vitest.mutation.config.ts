import { defineConfig } from "vitest/config";

// A clock that is not UTC, so that what mistakes one for the other is found.
process.env.TZ = "America/New_York";

/** The tests that a mutation run of the classifier asks: quick ones, and the same at every run. */
export default defineConfig({
  test: { include: ["test/mutation/classifier.test.mjs"], testTimeout: 10_000 },
});
