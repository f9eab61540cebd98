import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { HOUR } from "../support/broker-world.ts";
import { says } from "../support/codex-backend.mjs";
import { codexWorld, filesBelow, hasNamespaces, onlyThread, threads } from "../support/codex-world.ts";
import { usageLimitReached } from "../support/model-api.mjs";

const EXEC = ["exec", "--skip-git-repo-check", "-s", "danger-full-access"];
const accounts = (requests: readonly { readonly account: string | undefined }[]) =>
  requests.map(({ account }) => account);

describe.skipIf(!(await hasNamespaces()))("codex at a usage limit", () => {
  test("the run ends on the next account with the thread's history, and the next run begins there", async () => {
    const { backend, broker, cli, codex, codexHome, login } = await codexWorld();
    await login("a");
    await login("b");
    const resetsAtMs = Math.floor(broker.nowMs / 1000) * 1000 + 3 * HOUR;
    backend.model = ({ account }) =>
      account === "acct-a" ? usageLimitReached({ resetsAtMs }) : says("done by the second");

    const ended = await codex([...EXEC, "--json", "a long task"]);
    expect(ended).toMatchObject({ code: 0, stdout: expect.stringContaining("done by the second") });
    const notes = ended.stderr.split("\n").filter((line) => line.startsWith("auth-broker:"));
    expect(notes).toEqual([
      expect.stringMatching(/openai-codex:a is at its limit until .*thread \S+ goes on with openai-codex:b/),
    ]);
    expect(accounts(backend.modelRequests())).toEqual(["acct-a", "acct-b"]);
    expect(backend.modelRequests()[1]?.body).toContain("a long task");
    expect(await onlyThread(codexHome)).toMatch(/^[0-9a-f-]{36}$/);

    expect(await codex([...EXEC, "another task"])).toMatchObject({ code: 0 });
    expect(accounts(backend.modelRequests())).toEqual(["acct-a", "acct-b", "acct-b"]);
    const { cooldowns } = await broker.get("openai-codex:a");
    expect(cooldowns).toMatchObject([
      { outcome: "OUTCOME_USAGE_LIMIT", untilTime: new Date(resetsAtMs).toISOString().replace(".000", "") },
    ]);
    for (const command of [["status"], ["profiles", "list", "--json"]]) {
      const { stdout } = await cli(command);
      expect(stdout).toContain(new Date(resetsAtMs).toISOString().slice(11, 16));
    }
  });

  test("a thread goes on under another account, by its id and as the last one", async () => {
    const world = await limitedWorld();
    const { backend, codex, codexHome } = world;
    backend.model = () => says("done");
    expect(await codex([...EXEC, "the first"])).toMatchObject({ code: 0 });
    const thread = await onlyThread(codexHome);
    world.limit("acct-a");
    expect(await codex([...EXEC, "resume", "--last", "the second"])).toMatchObject({ code: 0 });
    expect(await codex([...EXEC, "resume", "--last", "the third"])).toMatchObject({ code: 0 });
    expect(await codex([...EXEC, "resume", thread, "the fourth"])).toMatchObject({ code: 0 });
    expect(accounts(backend.modelRequests())).toEqual(["acct-a", "acct-a", "acct-b", "acct-b", "acct-b"]);
    const last = backend.modelRequests().at(-1)?.body;
    const said = ["first", "second", "third", "fourth"].filter((which) => last?.includes(`the ${which}`));
    expect(said).toEqual(["first", "second", "third", "fourth"]);
    expect(await onlyThread(codexHome)).toBe(thread);
  });

  test("a fork goes on as the fork that it is", async () => {
    const world = await limitedWorld();
    const { backend, codex, codexHome } = world;
    expect(await codex([...EXEC, "the trunk"])).toMatchObject({ code: 0 });
    const trunk = await onlyThread(codexHome);
    world.limit("acct-a");
    const ended = await codex([...EXEC, "fork", trunk, "the branch"]);
    expect(ended).toMatchObject({ code: 0, stdout: "done\n" });
    expect(accounts(backend.modelRequests())).toEqual(["acct-a", "acct-a", "acct-b"]);
    const last = backend.modelRequests().at(-1)?.body;
    for (const text of ["the trunk", "the branch"]) expect(last).toContain(text);
    expect(await threads(codexHome)).toHaveLength(2);
  });

  test("a review begins again", async () => {
    const world = await limitedWorld();
    const { backend, codex, inside, work } = world;
    await inside("git", ["init", "--quiet", work]);
    world.limit("acct-a");
    const ended = await codex([...EXEC, "review", "whether it whistles"]);
    expect(ended).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("the review goes on with openai-codex:b"),
    });
    expect(accounts(backend.modelRequests())).toEqual(["acct-a", "acct-b"]);
    for (const { body } of backend.modelRequests()) expect(body).toContain("whether it whistles");
  });

  test("an ephemeral run goes on as well, and nothing of it is kept", async () => {
    const world = await limitedWorld();
    const { backend, codex, codexHome } = world;
    world.limit("acct-a");
    const ended = await codex([...EXEC, "--ephemeral", "keep it to yourself"]);
    expect(ended).toMatchObject({ code: 0, stdout: "done\n" });
    expect(accounts(backend.modelRequests())).toEqual(["acct-a", "acct-b"]);
    expect(backend.modelRequests()[1]?.body).toContain("keep it to yourself");
    expect(filesBelow(codexHome).filter((path) => readFileSync(path).includes("keep it"))).toEqual([]);
    expect(await threads(codexHome)).toEqual([]);
  });

  test("without failover the run ends with Codex's own code and says how to go on", async () => {
    const world = await limitedWorld();
    world.limit("acct-a");
    const { cli, codexHome, backend } = world;
    const ended = await cli(["codex", "--no-failover", "--", ...EXEC, "a task"]);
    const thread = await onlyThread(codexHome);
    expect(ended).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(
        `\`auth-broker codex -- exec resume ${thread}\` goes on with the next account`,
      ),
    });
    expect(accounts(backend.modelRequests())).toEqual(["acct-a"]);
  });
});

/** Two logins, a and b; `limit` uses an account up. */
async function limitedWorld() {
  const world = await codexWorld();
  for (const name of ["a", "b"]) await world.login(name);
  const limit = (limited: string) => {
    world.backend.model = ({ account }) =>
      account === limited ? usageLimitReached({ resetsAtMs: Date.now() + 3 * HOUR }) : says("done");
  };
  return { ...world, limit };
}
