import { describe, expect, test } from "vitest";
import { HOUR } from "../support/broker-world.ts";
import { runs, says } from "../support/codex-backend.mjs";
import { codexWorld, hasNamespaces } from "../support/codex-world.ts";
import { usageLimitReached } from "../support/model-api.mjs";

const EXEC = ["exec", "--skip-git-repo-check", "-s", "danger-full-access"];
const TASKS = Array.from({ length: 8 }, (_, n) => `task-${n + 1}-of-eight`);

describe.skipIf(!(await hasNamespaces()))("eight runs at once over three accounts", () => {
  test("one account is used up half-way; no run sees another's token, account or thread", async () => {
    const { backend, broker, codex, login } = await codexWorld({
      config: { providers: { "openai-codex": { strategy: "round_robin" } } },
    });
    const owner = new Map<string, string>();
    for (const name of ["a", "b", "c"]) owner.set(await login(name), `acct-${name}`);
    const resetsAtMs = broker.nowMs + 2 * HOUR;
    const isDone = (body: string, task: string) => body.includes(`half of ${task}\\n`);
    backend.model = ({ account, body }) => {
      const task = TASKS.find((one) => body.includes(one)) ?? "";
      if (!isDone(body, task)) return runs(`echo half of ${task}`);
      return account === "acct-b" ? usageLimitReached({ resetsAtMs }) : says(`all of ${task}`);
    };

    const ended = await Promise.all(TASKS.map((task) => codex([...EXEC, task])));
    for (const [n, { code, stdout, stderr }] of ended.entries()) {
      expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).toBe(`all of ${TASKS[n]}\n`);
    }
    const used = new Set<string | undefined>();
    for (const { token, account, status } of backend.requests) {
      expect({ status, account }).toEqual({ status: 200, account: owner.get(token) });
      used.add(account);
    }
    expect([...used].sort()).toEqual(["acct-a", "acct-b", "acct-c"]);
    for (const { body } of backend.modelRequests())
      expect(TASKS.filter((task) => body.includes(task))).toHaveLength(1);
    expect((await broker.get("openai-codex:b")).state).toBe("PROFILE_STATE_COOLING_DOWN");
  });
});
