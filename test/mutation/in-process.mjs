import { readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { commonTokens, declareFactoryPlugin, PluginKind, tokens } from "@stryker-mutator/api/plugin";
import {
  DryRunStatus,
  determineHitLimitReached,
  TestStatus,
  toMutantRunResult,
} from "@stryker-mutator/api/test-runner";
import fc from "fast-check";
import { rolldown } from "rolldown";

// Stryker's own runner starts a thread and loads every file anew for each mutant, which takes 1.4 s of the
// processor. The domain is pure, so its tests can all live in one bundle in this process: a mutant then costs
// no more than the tests that reach it.

// A clock that is not UTC, so that what mistakes one for the other is found.
process.env.TZ = "America/New_York";

const EXPECTATIONS = resolve(import.meta.dirname, "expectations.mjs");
/** Quick tests that ask the domain itself. The random ones come last: they take longer. */
const UNIT =
  /^(account|alias|candidate.*|claimed-account|cooldown.*|credential|duration|env-names|explain|grant-age|jwt|login-paste|names|nearest|notice|pool|refreshing|reporting|selection.*|sentences|settings|state|time|token|transition.*|unavailability|url|usage.*)\.test\.ts$/;
const PROPERTY = /^(selection|transition|usage)\.test\.ts$/;

class InProcessRunner {
  #switch;
  #bundle = "";
  #tests = [];
  #loads = 0;

  /** `namespace`: the global under which instrumented code looks for its mutant. */
  constructor(namespace) {
    globalThis[namespace] ??= {};
    this.#switch = globalThis[namespace];
  }

  capabilities() {
    return { reloadEnvironment: true };
  }

  async init() {
    // The same draws at every run, and fewer of them.
    fc.configureGlobal({ seed: 20_261_126, numRuns: 100 });
    this.#bundle = resolve("test/mutation/domain.bundle.mjs");
    const files = [...filesIn("test/unit", UNIT), ...filesIn("test/property", PROPERTY)];
    const entry = "domain";
    const bundle = await rolldown({
      input: entry,
      platform: "node",
      plugins: [
        {
          name: "tests",
          resolveId: (id) => {
            if (id === entry) return `\0${entry}`;
            if (id === "vitest") return { id: pathToFileURL(EXPECTATIONS).href, external: true };
            return /^[./\0]/.test(id) ? undefined : { id, external: true };
          },
          load: (id) =>
            id === `\0${entry}`
              ? files.map((file) => `import ${JSON.stringify(file)};`).join("\n")
              : undefined,
        },
      ],
    });
    await bundle.write({ file: this.#bundle, format: "esm", codeSplitting: false });
    await bundle.close();
    await this.#load();
  }

  async dryRun() {
    const result = await this.#run(this.#tests, false);
    return { ...result, mutantCoverage: this.#switch.mutantCoverage };
  }

  async mutantRun({ activeMutant, mutantActivation, testFilter, hitLimit, disableBail }) {
    Object.assign(this.#switch, { hitLimit, hitCount: 0 });
    const isStatic = mutantActivation === "static";
    try {
      if (isStatic) {
        this.#switch.activeMutant = activeMutant.id;
        await this.#load();
      }
      this.#switch.activeMutant = activeMutant.id;
      const chosen = this.#tests.filter(({ id }) => testFilter === undefined || testFilter.includes(id));
      const result = await this.#run(chosen, !disableBail);
      return toMutantRunResult(determineHitLimitReached(this.#switch.hitCount, hitLimit) ?? result);
    } catch (error) {
      // What cannot even be loaded would be noticed by the first test.
      return {
        status: "killed",
        killedBy: [this.#tests[0]?.id ?? ""],
        failureMessage: `${error}`,
        nrOfTests: 0,
      };
    } finally {
      this.#switch.activeMutant = undefined;
      if (isStatic) await this.#load();
    }
  }

  async dispose() {
    rmSync(this.#bundle, { force: true });
  }

  /** Evaluates the bundle, and with it all that is decided when a module is loaded. */
  async #load() {
    this.#loads += 1;
    globalThis.testsFound = [];
    await import(`${pathToFileURL(this.#bundle).href}?${this.#loads}`);
    this.#tests = globalThis.testsFound;
  }

  async #run(chosen, isBailing) {
    const tests = [];
    for (const { id, run } of chosen) {
      const beganMs = performance.now();
      this.#switch.currentTestId = id;
      let failure;
      try {
        await run();
      } catch (error) {
        failure = `${error?.message ?? error}`;
      }
      this.#switch.currentTestId = undefined;
      const timeSpentMs = Math.round(performance.now() - beganMs);
      const status = failure === undefined ? TestStatus.Success : TestStatus.Failed;
      tests.push({ id, name: id, timeSpentMs, status, ...(failure && { failureMessage: failure }) });
      if (failure !== undefined && isBailing) break;
    }
    return { status: DryRunStatus.Complete, tests };
  }
}

function filesIn(folder, names) {
  return readdirSync(folder)
    .filter((name) => names.test(name))
    .sort()
    .map((name) => resolve(join(folder, name)));
}

create.inject = tokens(commonTokens.injector);
function create() {
  return new InProcessRunner("__stryker__");
}

export const strykerPlugins = [declareFactoryPlugin(PluginKind.TestRunner, "in-process", create)];
