import { close as closeInspectorPort, url as inspectorUrl } from "node:inspector";
import { constants } from "node:os";
import type { Command } from "commander";
import type { Logger } from "pino";
import { addressText } from "../endpoint/address.ts";
import { harden } from "../system/harden.ts";
import { passedSockets, type ServiceManager, serviceManager } from "../system/systemd.ts";
import { CommandError } from "./command-error.ts";
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
    await refuseUnclean();
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
  const manager = serviceManager(process.env);
  const sockets = passedSockets(process.env);
  if (config.hardening === "strict") refuseMissing(harden());
  const { log, flush } = await daemonLog(config.log.level, json);
  process.on("uncaughtException", (error) => {
    log.fatal({ err: error }, "unexpected error");
    void flush().then(() => process.exit(70));
  });
  // A signal that came before the handler opens it only now.
  closeInspector();
  const daemon = await startDaemon({ config, log, sockets, desktop: hasDesktop(process.env) });
  // Behind the readiness, since it loads the native calls. Under `strict` it is done.
  const missing = harden();
  if (missing.length > 0) log.warn({ missing }, "this process is not shielded as it should be");
  const quiet = manager === undefined ? () => {} : keepTold(manager, log);
  if (process.stderr.isTTY) {
    note(
      `serving at ${addressText(daemon.agentAddress)} and, for administration, ${addressText(daemon.adminAddress)}`,
    );
  }
  log.info({ signal: await ending }, "asked to stop");
  quiet();
  // Lines that nobody reads would hold the process for ever.
  await daemon.stop().finally(() => setTimeout(() => process.exit(), LAST_WORDS_MS).unref());
}

/** Says that we serve, and goes on saying so where a watchdog listens. Gives what says that we stop. */
function keepTold(manager: ServiceManager, log: Logger): () => void {
  const { watchdogMs } = manager;
  if (!manager.tell("READY=1"))
    log.error({}, "systemd cannot be told that the broker serves; it needs the package koffi");
  const beat =
    watchdogMs === undefined ? undefined : setInterval(() => manager.tell("WATCHDOG=1"), watchdogMs / 2);
  return () => {
    clearInterval(beat);
    manager.tell("STOPPING=1");
  };
}

/** With `hardening: strict` nothing is mended in silence, and a second process could not get systemd's sockets. */
async function refuseUnclean(): Promise<void> {
  const { loadConfig } = await import("../config.ts");
  const isStrict = (await loadConfig(here().configFile)).hardening === "strict";
  if (!isStrict && process.env.LISTEN_FDS === undefined) return;
  throw new CommandError(78, "the environment would bring foreign code into the broker", {
    help: "start it without NODE_OPTIONS, LD_PRELOAD and the like",
  });
}

function refuseMissing(missing: readonly string[]): void {
  if (missing.length === 0) return;
  throw new CommandError(78, `"hardening" is strict, and ${missing.join(", ")}`, {
    help: "npm install koffi, or set it to standard",
  });
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
