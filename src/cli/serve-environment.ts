/** Options of Node that change how it works, and let nobody in. */
const HARMLESS =
  /^--(?:max-old-space-size|max-semi-space-size|max-http-header-size|stack-trace-limit|dns-result-order|unhandled-rejections|disable-warning|use-openssl-ca|use-bundled-ca|use-system-ca|enable-source-maps|no-warnings|no-deprecation)(?:=\S*)?$/;
/** Variables by which the system loads foreign code into a program. */
const PRELOADS = ["LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES"];
const ENDS_WITH_STARTER = "AUTH_BROKER_ENDS_WITH_STARTER";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The environment without what would bring foreign code or an inspector into a program started with it, such
 * as an editor's NODE_OPTIONS; undefined if there is nothing of the kind.
 */
export function cleanEnvironment(env: Environment): Environment | undefined {
  const options = (env.NODE_OPTIONS ?? "").split(/\s+/).filter((option) => option !== "");
  const kept = options.filter((option) => HARMLESS.test(option));
  const preloads = PRELOADS.filter((name) => env[name]);
  if (kept.length === options.length && preloads.length === 0) return undefined;
  const clean: Record<string, string | undefined> = { ...env, [ENDS_WITH_STARTER]: "1" };
  // Windows takes any case, and a copy of its environment keeps the one that was set.
  const foreign = Object.keys(clean).filter((name) =>
    [...PRELOADS, "NODE_OPTIONS"].includes(name.toUpperCase()),
  );
  for (const name of foreign) delete clean[name];
  return kept.length === 0 ? clean : { ...clean, NODE_OPTIONS: kept.join(" ") };
}

/** Where this process was started with a clean environment: it ends when the one that did so is gone, however that went. */
export function endWithStarter(): void {
  if (process.env[ENDS_WITH_STARTER] === undefined) return;
  delete process.env[ENDS_WITH_STARTER];
  process.once("disconnect", () => process.exit(70));
  process.channel?.unref();
}
