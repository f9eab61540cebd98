import { describe, expect, test } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { readClientSecret } from "../../src/provider/client-secret.ts";

const node = (script: string) => ({ command: [process.execPath, "-e", script] });

test("a text of the configuration is the secret", async () => {
  expect((await readClientSecret(new Secret("cs-FAKE"))).reveal()).toBe("cs-FAKE");
});

describe("a program", () => {
  test("prints the secret; the line end does not belong to it", async () => {
    expect((await readClientSecret(node('console.log("cs FAKE ")'))).reveal()).toBe("cs FAKE ");
  });

  test("gets its arguments as they are, since no shell is in between", async () => {
    const source = { command: [process.execPath, "-p", "process.argv[1]", "$HOME; echo 'x'"] };
    expect((await readClientSecret(source)).reveal()).toBe("$HOME; echo 'x'");
  });

  test("that waits for input gets none", async () => {
    const script = 'process.stdin.on("end", () => console.log("cs-FAKE")).resume()';
    expect((await readClientSecret(node(script))).reveal()).toBe("cs-FAKE");
  });

  test.each([
    ["fails", 'console.log("cs-FAKE"); console.error("cs-FAKE"); process.exit(3)', /it ended with 3$/],
    ["prints nothing", "", /printed nothing$/],
    ["prints too much", 'console.log("cs-FAKE".repeat(20000))', /ended|too much/],
  ])("that %s is an error that repeats nothing of what it printed", async (_, script, message) => {
    const failure = await readClientSecret(node(script)).catch((error: Error) => error);
    expect(failure).toMatchObject({ name: "ClientSecretError", message: expect.stringMatching(message) });
    expect((failure as Error).stack).not.toContain("cs-FAKE");
  });

  test("that is not there is an error", async () => {
    await expect(readClientSecret({ command: ["/nowhere/cs"] })).rejects.toThrow(
      '"/nowhere/cs" failed: it ended with ENOENT',
    );
  });
});
