import { chown, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { run, start } from "../support/process.mjs";

const MAIN = new URL("../../bin/auth-broker.js", import.meta.url).pathname;
/** A user that no password file knows, as containers have them. */
const NAMELESS = 54_321;

test.skipIf(process.geteuid?.() !== 0)("a user without name and home is served all the same", async () => {
  const home = await mkdtemp(join(tmpdir(), "nameless-"));
  await chown(home, NAMELESS, NAMELESS);
  const env = { PATH: process.env.PATH, AUTH_BROKER_HOME: home };
  const as = [
    "--reuid",
    String(NAMELESS),
    "--regid",
    String(NAMELESS),
    "--clear-groups",
    process.execPath,
    MAIN,
  ];
  const broker = await start("setpriv", [...as, "serve"], { env });
  try {
    await broker.line(/the broker serves/);
    const status = await run("setpriv", [...as, "status", "--json"], { env });
    expect({ code: status.code, stderr: status.stderr }).toEqual({ code: 0, stderr: "" });
  } finally {
    await broker.kill();
    await rm(home, { recursive: true, force: true });
  }
});
