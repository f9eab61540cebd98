import { defineConfig } from "vitest/config";

// A clock that is not UTC, so that what mistakes one for the other is found.
process.env.TZ = "America/New_York";

/**
 * The tests that a mutation run asks: quick ones, and the same at every run. MUTATION names the part of
 * the source that is mutated.
 */
export default defineConfig({
  test: {
    include: [`test/mutation/${process.env.MUTATION ?? "classifier"}.test.mjs`],
    setupFiles: ["test/mutation/repeatable.mjs"],
    testTimeout: 10_000,
  },
});
