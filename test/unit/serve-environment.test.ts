import { expect, test } from "vitest";
import { cleanEnvironment } from "../../src/cli/serve-environment.ts";

/** An environment as Windows has it: names in any case. */
function windowsEnvironment(env: Record<string, string>): Record<string, string | undefined> {
  const nameOf = (wanted: string | symbol) =>
    Object.keys(env).find((name) => name.toUpperCase() === String(wanted).toUpperCase()) ?? "";
  return new Proxy(env, { get: (target, wanted) => target[nameOf(wanted)] });
}

test("NODE_OPTIONS is left behind in whatever case Windows keeps it, so that the second start is clean", () => {
  const clean = cleanEnvironment(windowsEnvironment({ Node_Options: "--require x", Path: "C:\\bin" }));
  expect(clean).toMatchObject({ Path: "C:\\bin" });
  expect(cleanEnvironment(windowsEnvironment(clean as Record<string, string>))).toBeUndefined();
});
