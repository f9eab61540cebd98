import { expect, test } from "vitest";
import { Confirmations } from "../../src/endpoint/confirm.ts";

const PLACES = [
  ["is not there", "/nowhere/ask"],
  ["lies below a file, which the system tells by throwing", `${process.execPath}/ask`],
] as const;

test.each(PLACES)("a program that %s is a no, is told of, and holds nobody up", async (_what, program) => {
  const warnings: string[] = [];
  const confirm = { command: [program], timeoutMs: 5_000, rememberMs: 0 };
  const confirmations = new Confirmations(
    confirm,
    () => 0,
    (message) => warnings.push(message),
  );
  const [one, other] = [confirmations.ask("one", "", {}), confirmations.ask("other", "", {})];
  expect(await one).toBe(false);
  expect(await other).toBe(false);
  expect(warnings).toHaveLength(2);
  expect(warnings[0]).toMatch(/cannot be run \(E[A-Z]+\)$/);
});
