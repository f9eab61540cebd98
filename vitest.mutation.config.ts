import { defineConfig } from "vitest/config";

/** The tests that the mutation run asks: quick ones, and the same at every run. */
export default defineConfig({
  test: { include: ["test/unit/classify-*.test.ts"], testTimeout: 10_000 },
});
