import { describe, expect, test } from "vitest";
import { HOUR } from "../support/broker-world.ts";
import { says } from "../support/codex-backend.mjs";
import { codexWorld, hasNamespaces, onlyThread } from "../support/codex-world.ts";
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
    const { stdout } = await cli(["profiles", "list", "--json"]);
    expect(stdout).toContain(new Date(resetsAtMs).toISOString().slice(0, 16));
  });
});
