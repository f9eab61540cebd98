import { existsSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { hasNamespaces } from "../support/codex-world.ts";
import { run } from "../support/process.mjs";

const PROGRAM = resolve(import.meta.dirname, "../support/browser-login.mjs");
/** Where the pictures of the pages are left; not in the repository. */
const SHOTS = resolve(import.meta.dirname, "../output");

/** The path of a program, or undefined. Where nothing may be skipped, a missing one is a failure. */
function program(name: string): string | undefined {
  const places = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, name));
  const found = places.find((path) => existsSync(path));
  if (found === undefined && process.env.CI === "true") throw new Error(`${name} is not installed`);
  if (found === undefined) console.warn(`SKIPPED: ${name} is not installed`);
  return found;
}

const browser = program("chromium");
const zitadel = program("zitadel-oidc-server");
const isPossible = browser !== undefined && (await hasNamespaces());

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Seen {
  readonly denied?: Ended & { readonly text: string };
  readonly done: Ended & { readonly text: string; readonly title: string };
  readonly isGood: boolean;
  readonly email: string;
  readonly refresh: Ended;
  readonly logout: Ended;
}

async function seen(server: string): Promise<Seen> {
  const order = JSON.stringify({ server, browser, zitadel, shots: SHOTS });
  const { code, stdout, stderr } = await run("unshare", ["-n", process.execPath, PROGRAM, order]);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
}

describe.runIf(isPossible)("a login in a real browser", () => {
  test("at oidc-provider: from the command to a usable credential, and a page that says so", async () => {
    const { denied, done, isGood, email, refresh, logout } = await seen("oidc-provider");
    expect(denied).toMatchObject({
      code: 78,
      text: expect.stringContaining("refused on the provider's page"),
    });
    expect(done).toMatchObject({
      code: 0,
      title: "Logged in · auth-broker",
      text: expect.stringContaining("my-company:work"),
      stdout: expect.stringContaining("logged in: my-company:work (a…@example.test, plus)"),
    });
    expect([isGood, email]).toEqual([true, "ann@example.test"]);
    expect(JSON.parse(refresh.stdout).profile.generation).toBe(2);
    expect(logout).toMatchObject({ code: 0, stdout: expect.stringContaining("revoked at the provider") });
    expect(existsSync(join(SHOTS, "oidc-provider-done.png"))).toBe(true);
  });

  test.runIf(zitadel !== undefined)(
    "at another implementation (zitadel/oidc): opaque tokens, by issuer and client id alone",
    async () => {
      const { done, isGood, email, refresh, logout } = await seen("zitadel");
      expect(done).toMatchObject({ code: 0, text: expect.stringContaining("my-company:work") });
      expect([isGood, email]).toEqual([true, "test-user@zitadel.ch"]);
      expect(JSON.parse(refresh.stdout).profile.generation).toBe(2);
      expect(logout).toMatchObject({ code: 0, stdout: expect.stringContaining("revoked at the provider") });
    },
  );
});
