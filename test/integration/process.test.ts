import { expect, test } from "vitest";
import { run, start } from "../support/process.mjs";

const node = (script: string): [string, string[]] => [process.execPath, ["-e", script]];

test("a run gives everything that was written and how it ended", async () => {
  const script = `process.stdin.on("data", (d) => process.stdout.write(d)); console.error("oops"); process.exitCode = 3`;
  expect(await run(...node(script), { input: "hello" })).toEqual({
    code: 3,
    signal: null,
    stdout: "hello",
    stderr: "oops\n",
  });
});

test("a line is waited for, found again later, and never seen half written", async () => {
  const script = `process.stdin.on("data", () => console.log("ned")); process.stdout.write("port 80, joi")`;
  const child = await start(...node(script), { keepStdin: true });
  const joined = child.line(/^port (\d+), (joi\w*)/);
  child.send("go on");
  expect((await joined).slice(1)).toEqual(["80", "joined"]);
  expect((await child.line(/joined/))[0]).toBe("joined");
  expect(await child.kill("SIGKILL")).toEqual({ code: null, signal: "SIGKILL" });
});

test("waiting for a line of a process that ends without it fails and shows what it said", async () => {
  const child = await start(...node(`console.error("no such file"); process.exit(1)`));
  await expect(child.line(/ready/)).rejects.toThrow("no such file");
});

test("a program that is not there is an error at once", async () => {
  await expect(start("no-such-program-here", [])).rejects.toThrow("ENOENT");
});
