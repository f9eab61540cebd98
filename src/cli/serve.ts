import { close as closeInspectorPort, url as inspectorUrl } from "node:inspector";
import { constants } from "node:os";
import type { Command } from "commander";
import { addressText } from "../endpoint/address.ts";
import { here } from "./here.ts";
import { note } from "./output.ts";
import { cleanEnvironment, endWithStarter } from "./serve-environment.ts";

const EXAMPLE = `
Logs to standard error, as JSON if that is no terminal or --json is given. SIGTERM or SIGINT lets what is under way come
to its end; a second one does not. Only one broker serves a state directory; another ends with 75.

Example:
  $ auth-broker serve`;

export function defineServe(command: Command): void {
  command.option("--json", "log as JSON on a terminal, too").addHelpText("after", EXAMPLE).action(serve);
}

/** Resolves when the broker has stopped. */
async function serve({ json = false }: { readonly json?: boolean }): Promise<void> {
  const clean = cleanEnvironment(process.env);
  if (clean !== undefined) {
    const { serveClean } = await import("./serve-clean.ts");
    process.exitCode = await serveClean(clean);
    return;
  }
  endWithStarter();
  const ending = endingSignal();
  closeInspector();
  const [{ startDaemon }, { hasDesktop }, { loadConfig }, { daemonLog, LAST_WORDS_MS }] = await Promise.all([
    import("../daemon.ts"),
    import("../notify.ts"),
    import("../config.ts"),
    import("./serve-log.ts"),
  ]);
  const config = await loadConfig(here().configFile);
  const { log, flush } = await daemonLog(config.log.level, json);
  process.on("uncaughtException", (error) => {
    log.fatal({ err: error }, "unexpected error");
    void flush().then(() => process.exit(70));
  });
  // A signal that came before the handler opens it only now.
  closeInspector();
  const daemon = await startDaemon({ config, log, desktop: hasDesktop(process.env) });
  if (process.stderr.isTTY) {
    note(
      `serving at ${addressText(daemon.agentAddress)} and, for administration, ${addressText(daemon.adminAddress)}`,
    );
  }
  log.info({ signal: await ending }, "asked to stop");
  // Lines that nobody reads would hold the process for ever.
  await daemon.stop().finally(() => setTimeout(() => process.exit(), LAST_WORDS_MS).unref());
}

/** Whoever is connected to it could read every token. */
function closeInspector(): void {
  if (inspectorUrl() !== undefined) closeInspectorPort();
}

/** Resolves at the first signal to end, which is taken from now on; the second one ends the process. */
function endingSignal(): Promise<NodeJS.Signals> {
  // Node would open its inspector to whoever may send this.
  process.on("SIGUSR1", () => {});
  return new Promise((resolve) => {
    let isEnding = false;
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
      process.on(signal, () => {
        if (isEnding) process.exit(128 + constants.signals[signal]);
        isEnding = true;
        resolve(signal);
      });
    }
  });
}
