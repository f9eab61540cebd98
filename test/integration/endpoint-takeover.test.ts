import { chmodSync, readdirSync, unlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compiled } from "../support/compiled.ts";
import { clientOf, ownDirectory, unix } from "../support/endpoint-fixture.ts";
import { type Running, run, start } from "../support/process.mjs";

let program: Awaited<ReturnType<typeof compiled>>;
beforeAll(async () => {
  program = await compiled("test/support/endpoint-program.ts");
});
afterAll(() => program.remove());

async function serve(path: string, name: string): Promise<Running> {
  const child = await start(process.execPath, [program.file, "serve", path, name], { keepStdin: true });
  await child.line(/^listening$/);
  return child;
}

const whoAnswers = async (path: string) => (await clientOf(unix(path)).say({ text: "x" })).by;

describe("two processes on one path", () => {
  test("a killed one leaves its socket, and the next takes it over", async () => {
    const path = join(ownDirectory(), "agent.sock");
    await (await serve(path, "A")).kill("SIGKILL");
    expect(readdirSync(dirname(path))).toEqual(["agent.sock"]);
    const next = await serve(path, "B");
    expect(await whoAnswers(path)).toBe("B");
    await next.kill();
  });

  test("the second is refused while the first lives", async () => {
    const path = join(ownDirectory(), "agent.sock");
    const first = await serve(path, "A");
    const second = await run(process.execPath, [program.file, "serve", path, "B"]);
    expect(second).toMatchObject({ code: 75, stderr: `a broker is already listening at ${path}\n` });
    expect(await whoAnswers(path)).toBe("A");
    await first.kill();
  });

  test.each(["orderly", "SIGTERM"])("an old one's %s end leaves its successor reachable", async (end) => {
    const path = join(ownDirectory(), "agent.sock");
    const old = await serve(path, "A");
    unlinkSync(path);
    const successor = await serve(path, "B");
    if (end === "orderly") old.send("stop");
    else await old.kill("SIGTERM");
    await old.exited;
    expect(await whoAnswers(path)).toBe("B");
    await successor.kill();
  });

  test("an orderly end removes the socket", async () => {
    const path = join(ownDirectory(), "agent.sock");
    const child = await serve(path, "A");
    child.send("stop");
    expect(await child.exited).toMatchObject({ code: 0 });
    expect(readdirSync(dirname(path))).toEqual([]);
  });
});

test.runIf(process.geteuid?.() === 0)("a directory without write permission is exit 77, named", async () => {
  const directory = ownDirectory();
  chmodSync(directory, 0o755);
  const refused = await run(process.execPath, [
    program.file,
    "serve",
    join(directory, "a.sock"),
    "A",
    "65534",
  ]);
  expect(refused).toMatchObject({ code: 77, stderr: `permission denied on ${directory}\n` });
});
