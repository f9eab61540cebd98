import { chmodSync, existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import module from "node:module";
import { join } from "node:path";
import { expect, test } from "vitest";
import { emptyCli, MAIN } from "../support/cli.ts";
import { run } from "../support/process.mjs";

/** Prints each module of ours, and each package, that a program loads. */
const TRACE = `data:text/javascript,${encodeURIComponent(`
  import { register } from "node:module";
  register("data:text/javascript,${encodeURIComponent(`
    import { writeSync } from "node:fs";
    export const load = (url, context, next) => (writeSync(2, "loads " + url + "\\n"), next(url, context));
  `)}");
`)}`;

test.each(["token", "acquire"])("%s loads no store, no broker, no provider and no zod", async (command) => {
  const cli = await emptyCli();
  const { stderr } = await run(process.execPath, ["--import", TRACE, MAIN, command, "p"], { env: cli.env });
  const loaded = [...stderr.matchAll(/^loads (.*)$/gm)].map(([, url]) => url ?? "");
  expect(loaded).toContainEqual(expect.stringContaining("/bin/auth-broker.js"));
  const unwanted =
    /\/bin\/(shared-state|serve|daemon)|node_modules\/(zod|lowdb|undici|pino|oauth4webapi|@grpc\/proto-loader)/;
  expect(loaded.filter((url) => unwanted.test(url))).toEqual([]);
});

test("what Node compiled is kept in a directory of the user's own, where Node can do that", async () => {
  const cli = await emptyCli();
  await cli("token p");
  const cache = join(cli.home, "cache");
  expect(existsSync(cache)).toBe("enableCompileCache" in module);
  if (existsSync(cache)) expect(statSync(cache).mode & 0o777).toBe(0o700);
});

test("a directory in which others may write is not used", async () => {
  const cli = await emptyCli();
  const cache = join(cli.home, "cache");
  mkdirSync(cache);
  chmodSync(cache, 0o777);
  await cli("token p");
  expect(readdirSync(cache)).toEqual([]);
});
