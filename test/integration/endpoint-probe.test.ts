import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { probe } from "../../src/endpoint/probe.ts";
import { compiled } from "../support/compiled.ts";
import { open, ownDirectory, rawConnection, refusal, unix } from "../support/endpoint-fixture.ts";
import { run, start } from "../support/process.mjs";

const NOBODY = 65534;
const asRoot = process.geteuid?.() === 0;
let program: Awaited<ReturnType<typeof compiled>>;
beforeAll(async () => {
  program = await compiled("test/support/endpoint-program.ts");
});
afterAll(() => program.remove());

describe("a probe finds", () => {
  test("a live broker, and hangs up again", async () => {
    const path = join(ownDirectory(), "agent.sock");
    const { listener } = await open(path);
    expect(await probe(unix(path))).toEqual({
      state: "live",
      message: `a broker is listening at ${path}`,
    });
    await rawConnection(path);
    expect(listener.connections()).toBeLessThanOrEqual(2);
  });

  test("no file, and says how to start a broker", async () => {
    const path = join(ownDirectory(), "missing", "agent.sock");
    expect(await probe(unix(path))).toEqual({
      state: "absent",
      message: `no broker is listening at ${path}; start one with \`auth-broker serve\``,
    });
  });

  test("a socket that nobody listens on", async () => {
    const path = join(ownDirectory(), "agent.sock");
    const child = await start(process.execPath, [program.file, "serve", path, "B"], { keepStdin: true });
    await child.line(/listening/);
    await child.kill("SIGKILL");
    expect(await probe(unix(path))).toMatchObject({ state: "absent" });
  });

  test("a broker that is stopped, as alive", async () => {
    const path = join(ownDirectory(), "agent.sock");
    const child = await start(process.execPath, [program.file, "serve", path, "B"], { keepStdin: true });
    await child.line(/listening/);
    process.kill(child.pid, "SIGSTOP");
    expect(await probe(unix(path))).toMatchObject({ state: "live" });
    expect(await refusal(open(path))).toMatchObject({ exit: 75 });
    await child.kill("SIGKILL");
  });

  test("a plain file, a directory, or a file on the way", async () => {
    const directory = ownDirectory();
    const file = join(directory, "file");
    writeFileSync(file, "");
    const found = (path: string) => probe(unix(path));
    expect(await found(file)).toEqual({
      state: "not_a_socket",
      message: `${file} is a plain file, not a socket`,
    });
    expect(await found(directory)).toEqual({
      state: "not_a_socket",
      message: `${directory} is a directory, not a socket`,
    });
    expect(await found(join(file, "agent.sock"))).toEqual({
      state: "not_a_socket",
      message: `${file} is a plain file, not a directory`,
    });
  });

  test("what a link leads to", async () => {
    const directory = ownDirectory();
    await open(join(directory, "agent.sock"));
    symlinkSync("agent.sock", join(directory, "link"));
    symlinkSync("nowhere", join(directory, "dangling"));
    expect(await probe(unix(join(directory, "link")))).toMatchObject({ state: "live" });
    expect(await probe(unix(join(directory, "dangling")))).toMatchObject({ state: "absent" });
  });

  test("no use in an address that the system does not take", async () => {
    await refusal(probe(unix(`/${"p".repeat(129)}`)));
    await refusal(probe({ kind: "pipe", name: "x" }));
  });
});

describe.runIf(asRoot)("a probe as another user is denied", () => {
  const probeAsNobody = async (path: string): Promise<unknown> =>
    JSON.parse((await run(process.execPath, [program.file, "probe", path, String(NOBODY)])).stdout);

  test("by the socket, and names it with its owner", async () => {
    const directory = ownDirectory();
    const path = join(directory, "agent.sock");
    await open(path);
    chmodSync(directory, 0o755);
    expect(await probeAsNobody(path)).toEqual({
      state: "denied",
      message: `permission denied on ${path}, owned by uid 0`,
    });
  });

  test("by a directory, and names the closest one it can see", async () => {
    const directory = ownDirectory();
    mkdirSync(join(directory, "run"));
    const path = join(directory, "run", "agent.sock");
    await open(path);
    expect(await probeAsNobody(path)).toEqual({
      state: "denied",
      message: `permission denied on ${directory}, owned by uid 0`,
    });
  });
});
