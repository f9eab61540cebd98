import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { run } from "../support/process.mjs";

test("the demo does everything that it shows, and says so", async () => {
  const demo = await run(process.execPath, [fileURLToPath(new URL("../../demo/main.mjs", import.meta.url))]);
  expect(demo.stderr).toBe("");
  expect(demo.stdout).toMatch(/Everything above happened/);
  expect(demo.code).toBe(0);
});
