import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { codexWorld, hasNamespaces } from "../support/codex-world.ts";

const EXEC = ["exec", "--skip-git-repo-check", "-s", "danger-full-access"];

describe.skipIf(!(await hasNamespaces()))("codex in surroundings that get in its way", () => {
  test.for(["login", "logout"])(
    "codex %s is refused and says what to do, and the user's login stays",
    async (command) => {
      const { codex, codexHome, login } = await codexWorld();
      await login("a");
      await writeFile(join(codexHome, "auth.json"), "{}");
      const ended = await codex([command]);
      expect(ended).toMatchObject({ code: 64, stdout: "" });
      expect(ended.stderr).toMatch(/the broker keeps the logins.*\n.*what helps: auth-broker /);
      expect(await readFile(join(codexHome, "auth.json"), "utf8")).toBe("{}");
    },
  );

  test.for(["keyring", "ephemeral", "auto"])(
    "a store %s in the user's settings does not matter",
    async (store) => {
      const { backend, codex, codexHome, login } = await codexWorld();
      const token = await login("a");
      const settings = join(codexHome, "config.toml");
      await writeFile(
        settings,
        `cli_auth_credentials_store = "${store}"\n${await readFile(settings, "utf8")}`,
      );
      expect(await codex([...EXEC, "hi"])).toMatchObject({ code: 0 });
      expect(backend.modelRequests()).toMatchObject([{ token, account: "acct-a", status: 200 }]);
    },
  );

  test("another store named on the command line is refused before Codex starts", async () => {
    const { backend, codex, login } = await codexWorld();
    await login("a");
    const ended = await codex([...EXEC, "-c", 'cli_auth_credentials_store="keyring"', "hi"]);
    expect(ended).toMatchObject({ code: 64, stderr: expect.stringContaining("leave that -c away") });
    expect(backend.requests).toEqual([]);
  });

  test("CODEX_API_KEY is set aside with a word about it", async () => {
    const { backend, codex, login } = await codexWorld();
    const token = await login("a");
    const ended = await codex([...EXEC, "hi"], { env: { CODEX_API_KEY: "sk-FAKE" } });
    expect(ended).toMatchObject({ code: 0, stderr: expect.stringContaining("CODEX_API_KEY is set aside") });
    expect(backend.modelRequests()).toMatchObject([{ token }]);
  });

  test("without Codex the exit code is 127, and the command that installs it is named", async () => {
    const { codex, login } = await codexWorld();
    await login("a");
    expect(await codex([...EXEC, "hi"], { env: { PATH: "/usr/bin:/bin" } })).toMatchObject({
      code: 127,
      stderr: expect.stringContaining("npm install -g @openai/codex"),
    });
  });

  test("without a broker Codex is not started; the exit code is 69", async () => {
    const { backend, broker, codex } = await codexWorld();
    await broker.stop();
    expect(await codex([...EXEC, "hi"])).toMatchObject({
      code: 69,
      stdout: "",
      stderr: expect.stringContaining("auth-broker serve"),
    });
    expect(backend.requests).toEqual([]);
  });

  test("a broker that goes away during the run changes nothing for Codex", async () => {
    const { backend, broker, login, start } = await codexWorld();
    await login("a");
    const { model } = backend;
    backend.model = async (request) => {
      await broker.drain();
      return model(request);
    };
    const running = await start([...EXEC, "hi"]);
    expect(await running.exited).toMatchObject({ code: 0 });
    expect(running.stdout()).toBe("done\n");
    expect(running.stderr()).toContain("the broker does not know how this run ended");
  });

  test("without a profile nothing is started either; the exit code is 78", async () => {
    const { codex } = await codexWorld();
    expect(await codex([...EXEC, "hi"])).toMatchObject({ code: 78, stdout: "" });
  });

  test("what asks no model runs without broker and credential", async () => {
    const { broker, codex } = await codexWorld();
    await broker.stop();
    expect(await codex(["--version"])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^codex-cli /),
    });
    expect(await codex(["exec", "--help"])).toMatchObject({ code: 0 });
    expect(await codex(["features", "list"])).toMatchObject({ code: 0 });
  });

  test("an error of Codex itself comes out with its own exit code", async () => {
    const { codex, login } = await codexWorld();
    await login("a");
    expect((await codex(["exec", "--no-such-option"])).code).toBe(2);
  });
});
