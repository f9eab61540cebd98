import { execFile } from "node:child_process";
import { type Installation, installationHome } from "../import/running.ts";
import type { TakenOver } from "../import/strip.ts";

/** How each program says which logins it has, without asking anybody, and where it finds its home. */
const COMMANDS: Readonly<
  Record<TakenOver, { readonly command: readonly [string, ...string[]]; readonly home: string }>
> = {
  codex: { command: ["codex", "login", "status"], home: "CODEX_HOME" },
  openclaw: { command: ["openclaw", "models", "auth", "list"], home: "OPENCLAW_STATE_DIR" },
  claude: { command: ["claude", "auth", "status"], home: "CLAUDE_CONFIG_DIR" },
};
/** OpenClaw takes seconds to start. */
const WITHIN_MS = 120_000;

/** Asks the program itself whether it still can read its logins. One sentence for a person. */
export async function checkWithProgram({ source, from, context }: Installation): Promise<string> {
  const { command, home } = COMMANDS[source];
  const [program, ...args] = command;
  const env = { ...context.env, ...(from !== undefined && { [home]: installationHome(source, from) }) };
  return new Promise((resolve) => {
    execFile(program, args, { env, timeout: WITHIN_MS }, (error) => {
      const text = `\`${command.join(" ")}\``;
      if (error === null) resolve(`checked: ${text} reads it`);
      else if (error.code === "ENOENT") resolve(`not checked: there is no program ${program} in the PATH`);
      else resolve(`${text} fails (${error.code ?? error.signal}): look what it says`);
    });
  });
}
