import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { codexWorld, hasNamespaces, RELAY } from "../support/codex-world.ts";
import { installed } from "../support/installed.ts";
import { start } from "../support/process.mjs";

// It takes a minute and a half to find that nothing but the backend is there.
describe.skipIf(!(await hasNamespaces()))("the real Gemini CLI", { timeout: 600_000 }, () => {
  let bin: string;
  beforeAll(async () => {
    bin = await installed("@google/gemini-cli", "0.61.0");
  }, 300_000);

  test("under `auth-broker run` it asks with the broker's token of a login", async () => {
    const { broker, cli, env, network, work } = await codexWorld();
    await broker.put("google-gemini-cli:a");
    const socket = join(work, "google.sock");
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(`${request.url?.replace(/.*:|\?.*/g, "")} ${request.headers.authorization}`);
      request.resume();
      response.end(answerTo(request.url ?? ""));
    }).listen(socket);
    onTestFinished(() => void server.close());
    await once(server, "listening");
    const relay = await start(
      "nsenter",
      [`--net=/proc/${network}/ns/net`, "--", process.execPath, RELAY, "--out", socket],
      { keepStdin: true },
    );
    onTestFinished(() => relay.kill().then(() => {}));
    const [, port = ""] = await relay.line(/^port (\d+)$/);
    const ended = await cli(["run", "google-gemini-cli", "--", "gemini", "--skip-trust", "-p", "hello"], {
      env: { PATH: `${bin}:${env.PATH}`, CODE_ASSIST_ENDPOINT: `http://127.0.0.1:${port}` },
    });
    expect(ended).toMatchObject({ code: 0, stdout: expect.stringContaining("hello there") });
    expect(asked).toContain("streamGenerateContent Bearer at-FAKE-a");
    expect(asked.filter((one) => !one.endsWith("Bearer at-FAKE-a"))).toEqual([]);
  });
});

function answerTo(url: string): string {
  if (url.includes("loadCodeAssist"))
    return JSON.stringify({ currentTier: { id: "standard-tier" }, cloudaicompanionProject: "p" });
  if (!url.includes("streamGenerateContent")) return "{}";
  const content = { role: "model", parts: [{ text: "hello there" }] };
  const response = { candidates: [{ content, finishReason: "STOP" }], usageMetadata: { totalTokenCount: 2 } };
  return `data: ${JSON.stringify({ response })}\n\n`;
}
