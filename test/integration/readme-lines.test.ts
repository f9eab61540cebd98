import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { expect, test } from "vitest";
import { brokerCli, type Cli, MAIN } from "../support/cli.ts";
import { grpcurlPath, runProgram, skipWithoutGrpcurl } from "../support/grpcurl.ts";

const ROOT = join(import.meta.dirname, "../..");
const CODEX = "openai-codex";
const PROFILE = `${CODEX}:work`;

/** The block of shell lines in the README in which a text stands. */
async function block(text: string): Promise<string> {
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  const found = [...readme.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, lines = ""]) => lines);
  return found.find((lines) => lines.includes(text)) ?? "";
}

/** Enough of jq for the paths in the README, so that no test needs it installed. */
const JQ = `let text = "";
process.stdin.on("data", (part) => { text += part; }).on("end", () => {
  const path = process.argv[3].split(".").slice(1);
  console.log(path.reduce((value, name) => value[name], JSON.parse(text)));
});`;

async function bash(cli: Cli, script: string) {
  const bin = join(cli.home, "bin");
  await mkdir(bin);
  const programs = {
    "auth-broker": `exec "${process.execPath}" "${MAIN}" "$@"`,
    jq: `exec "${process.execPath}" "${join(bin, "jq.cjs")}" "$@"`,
    ...(grpcurlPath !== undefined && { grpcurl: `exec "${grpcurlPath}" "$@"` }),
    buf: `exec "${join(ROOT, "node_modules/.bin/buf")}" "$@"`,
  };
  await writeFile(join(bin, "jq.cjs"), JQ);
  for (const [name, line] of Object.entries(programs)) {
    await writeFile(join(bin, name), `#!/bin/sh\n${line}\n`);
    await chmod(join(bin, name), 0o755);
  }
  const path = `PATH=${bin}${delimiter}${process.env.PATH}`;
  const env = [path, `HOME=${cli.user}`, `AUTH_BROKER_HOME=${cli.home}`];
  // Where its input looks like a network connection bash would read the settings of this machine.
  return runProgram("env", ["-C", cli.home, ...env, "bash", "--norc", "-euc", script]);
}

test.skipIf(skipWithoutGrpcurl)("the lines for grpcurl and buf do what they say", async () => {
  const { broker, cli } = await brokerCli();
  await broker.put(PROFILE);
  const ended = await bash(cli, await block("grpcurl -plaintext"));
  expect(ended).toMatchObject({ code: 0, stderr: "" });
  expect(ended.stdout).toContain("authbroker.v1.CredentialService");
  expect(ended.stdout.match(/"leaseId"/g)).toHaveLength(2);
  expect(ended.stdout).toContain('"status": "SERVING"');
});

test("the lines of an agent acquire, report what came as curl -i prints it, and get the next", async () => {
  const { broker, cli } = await brokerCli();
  await broker.put(PROFILE);
  await broker.put(`${CODEX}:home`);
  await writeFile(join(cli.home, "answer.http"), "HTTP/1.1 429 Too Many\r\nretry-after: 30\r\n\r\n{}");
  // No test sends anything to a provider.
  const lines = (await block("auth-broker report")).replace(/^jq [^\n]*\n *curl [^\n]*\n/m, "");
  expect(lines).not.toContain("curl");
  const { code, stdout, stderr } = await bash(cli, lines);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^applied RATE_LIMIT .+ advice: RETRY_NEXT$/m);
  expect(stdout).toMatch(/^profile +openai-codex:work$/m);
});

test("the order in the README names profiles of the README", async () => {
  const { broker, cli } = await brokerCli();
  await broker.put(PROFILE);
  await broker.put(`${CODEX}:home`);
  const { code, stderr } = await bash(cli, await block("profiles order"));
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
});
