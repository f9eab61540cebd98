import { expect, test } from "vitest";
import { openLanding } from "../../src/broker/login-landing.ts";
import type { LoginRun } from "../../src/broker/login-run.ts";
import { defaultConfig } from "../../src/config.ts";
import type { LoginProtocol, OAuthClient } from "../../src/provider/provider.ts";
import { buildProviders } from "../../src/provider/registry.ts";

const codex = buildProviders(defaultConfig()).providerFor("openai-codex").oauth as OAuthClient;

/** A landing where only some of the wanted ports are free, and what the provider was told of it. */
async function landing(freePorts: readonly number[], close = async () => {}) {
  const asked: string[] = [];
  const protocol = {
    authorize: async (_client: OAuthClient, redirectUrl: string) => {
      asked.push(redirectUrl);
      if (redirectUrl.includes(":1/")) throw new Error("refused");
      return { url: "https://x.test", state: "s", redeem: () => Promise.reject(new Error()) };
    },
  } as unknown as LoginProtocol;
  const run = {
    once: (request: (attempt: object) => unknown) => request({}),
  } as unknown as LoginRun;
  const wiring = {
    protocol,
    openLoopback: async ({ ports }: { readonly ports: readonly number[] }) => {
      const [port] = freePorts;
      if (port === undefined) return undefined;
      return { port, busyPorts: ports.filter((wanted) => !freePorts.includes(wanted)), close };
    },
  };
  return { asked, opened: await openLanding(wiring, codex, "LOOPBACK", run) };
}

test("with the first port taken the browser is sent to the next one, and that is said", async () => {
  const { asked, opened } = await landing([1457]);
  expect(asked).toEqual(["http://localhost:1457/auth/callback"]);
  expect(opened.notes).toEqual(["port 1455 is taken by another program; port 1457 is used"]);
});

test("with all ports taken the login does not begin, and the ports are named", async () => {
  await expect(landing([])).rejects.toMatchObject({
    reason: "PORT_BUSY",
    message: expect.stringContaining("1455 and 1457"),
  });
});

test("a provider that refuses at once leaves no listener behind", async () => {
  let closed = 0;
  const close = async () => {
    closed += 1;
  };
  await expect(landing([1], close)).rejects.toThrow("refused");
  expect(closed).toBe(1);
});
