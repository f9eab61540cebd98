#!/usr/bin/env node
import { runCodex } from "./codex.ts";
import { commandErrorOf } from "./command-error.ts";
import { errorLines } from "./error-text.ts";
import { guardStreams, printError } from "./output.ts";

guardStreams();
try {
  process.exitCode = await runCodex(process.argv.slice(2), { failover: true });
} catch (thrown) {
  const error = commandErrorOf(thrown);
  process.exitCode = error?.exit ?? 0;
  if (error !== undefined) printError(error, errorLines(error, Date.now()), false);
}
