#!/usr/bin/env node
import { runCodex } from "./codex-run.ts";
import { guardStreams, printError } from "./output.ts";

guardStreams();
try {
  process.exitCode = await runCodex(process.argv.slice(2), { failover: true });
} catch (thrown) {
  // Only a failure needs these, and every start would wait for them.
  const { commandErrorOf } = await import("./command-error.ts");
  const { errorLines } = await import("./error-text.ts");
  const error = commandErrorOf(thrown);
  process.exitCode = error?.exit ?? 0;
  if (error !== undefined) printError(error, errorLines(error, Date.now()), false);
}
