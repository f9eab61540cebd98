import { defineConfig } from "vitest/config";

const project = (name: string, testTimeout: number) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], testTimeout, hookTimeout: 30_000 },
});

export default defineConfig({
  test: {
    projects: [
      project("unit", 10_000),
      project("property", 60_000),
      project("contract", 20_000),
      project("integration", 60_000),
      project("e2e", 120_000),
      project("openclaw", 120_000),
      project("fault", 600_000),
      project("security", 120_000),
      project("windows", 120_000),
      project("bench", 120_000),
    ],
  },
});
