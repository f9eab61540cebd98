import { dirname, join } from "node:path";
import { kindOfPath, readJsonFile } from "../import/file.ts";
import { openclawProgram } from "../openclaw/program.ts";
import {
  CODEX_LOGIN,
  codexPatch,
  pluginPatch,
  ROUTES,
  type Route,
  secretsPatch,
} from "../openclaw/routes.ts";
import { type RouteSetup, setUp, takeOut } from "../openclaw/setup.ts";
import { wrapperText } from "../openclaw/wrapper.ts";
import { packageFile } from "../package.ts";
import { CommandError, invalid } from "./command-error.ts";
import { here } from "./here.ts";
import { note, plain, print, printJson } from "./output.ts";
import { withProgress } from "./progress.ts";

interface SetupOptions {
  readonly provider?: Readonly<Record<string, string>>;
  readonly write?: boolean;
  readonly undo?: boolean;
  readonly openclaw?: string;
  readonly json?: boolean;
}

/** What is left to do by hand. */
const NEXT: Readonly<Record<Route, string>> = {
  plugin: "Next: openclaw models auth login --provider authbroker",
  secrets:
    "Next: keep `auth-broker openclaw secrets --watch ID…` running, so that OpenClaw hears of new credentials.",
  codex: [
    "Next: the harness is a package of its own, and begins no turn without an OpenAI login. If OpenClaw has",
    "none, this makes one that is no secret; the broker's takes its place:",
    "openclaw plugins install @openclaw/codex",
    CODEX_LOGIN,
    "Then restart the gateway.",
  ].join("\n"),
};

/** `openclaw setup ROUTE`. Rejects with `CommandError` or `OpenclawError`. */
export async function setup(asked: string, options: SetupOptions): Promise<void> {
  const route = ROUTES.find((one) => one === asked.toLowerCase());
  if (route === undefined) throw invalid(`"${plain(asked)}" is no route`, `one of ${ROUTES.join(", ")}`);
  if (options.write && options.undo) throw new CommandError(64, "--write and --undo exclude each other");
  if (options.provider !== undefined && route !== "secrets") {
    throw new CommandError(64, "--provider is for the route secrets");
  }
  const folder = join(dirname(here().configFile), "openclaw");
  const plan = planOf(route, options, folder);
  const place = {
    openclaw: openclawProgram(options.openclaw ?? "openclaw", process.env),
    journalPath: join(folder, "setup.json"),
    readConfig,
  };
  if (!options.write && !options.undo) return show(plan, options);
  const work = options.undo ? takeOut(place, plan) : setUp(place, plan);
  const done = await withProgress("OpenClaw is asked", work);
  if (options.json) return printJson({ route, done });
  for (const line of done) print(plain(line));
  if (options.write) note(NEXT[route]);
}

function planOf(route: Route, { provider = {} }: SetupOptions, folder: string): RouteSetup {
  const wrapper = (name: string, script: string, args: readonly string[]) => ({
    path: join(folder, name),
    text: wrapperText(process.execPath, packageFile(script), args, process.env),
  });
  switch (route) {
    case "plugin":
      return {
        route,
        patchOf: (before) => pluginPatch(packageFile(".").replace(/[\\/]$/, ""), before),
      };
    case "secrets": {
      const own = wrapper("secrets", "bin/auth-broker.js", ["openclaw", "secrets"]);
      return { route, wrapper: own, patchOf: () => secretsPatch(own.path, provider) };
    }
    case "codex": {
      const own = wrapper("codex", "bin/auth-broker-codex.js", []);
      return { route, wrapper: own, patchOf: () => codexPatch(own.path) };
    }
  }
}

function show({ route, patchOf, wrapper }: RouteSetup, { json }: SetupOptions): void {
  const patch = patchOf(undefined);
  if (json) {
    printJson({ route, patch, wrapper: wrapper ?? null });
    return;
  }
  print(JSON.stringify(patch, undefined, 2));
  if (wrapper !== undefined) {
    note(`${wrapper.path}, mode 0700:\n${wrapper.text}`);
  }
  note(`Nothing was written. --write does it and checks it. ${NEXT[route]}`);
}

async function readConfig(path: string): Promise<unknown> {
  return (await kindOfPath(path)) === "absent" ? undefined : readJsonFile(path, "json5");
}
