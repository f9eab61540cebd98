import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { basename, dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { pathLimit } from "../../src/endpoint/address.ts";
import { clientOf, open, ownDirectory, refusal } from "../support/endpoint-fixture.ts";

const NOBODY = 65534;
const asRoot = process.geteuid?.() === 0;
const modeOf = (path: string) => lstatSync(path).mode & 0o7777;

/** A socket file that nobody listens on, as a killed process leaves it. */
async function deadSocket(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${path}.bound`, resolve));
  linkSync(`${path}.bound`, path);
  await new Promise((resolve) => server.close(resolve));
  expect(existsSync(`${path}.bound`)).toBe(false);
}

describe("an opened endpoint", () => {
  test("serves calls", async () => {
    const { address } = await open(join(ownDirectory(), "agent.sock"));
    expect(await clientOf(address).say({ text: "hello" })).toMatchObject({ text: "hello", by: "A" });
  });

  test("is a socket of mode 0600, alone in its directory", async () => {
    const directory = ownDirectory();
    await open(join(directory, "agent.sock"));
    expect(modeOf(join(directory, "agent.sock"))).toBe(0o600);
    expect(readdirSync(directory)).toEqual(["agent.sock"]);
  });

  test("has mode 0666 if it is shared", async () => {
    const path = join(ownDirectory(), "ci.sock");
    await open(path, { mode: "shared" });
    expect(modeOf(path)).toBe(0o666);
  });

  test("leaves the umask as it was", async () => {
    const before = process.umask();
    await open(join(ownDirectory(), "agent.sock"));
    expect(process.umask()).toBe(before);
  });

  test("gets its missing directories made, mode 0700 whatever the umask", async () => {
    const directory = ownDirectory();
    const before = process.umask(0);
    onTestFinished(() => void process.umask(before));
    await open(join(directory, "state", "run", "agent.sock"));
    expect(modeOf(join(directory, "state"))).toBe(0o700);
    expect(modeOf(join(directory, "state", "run"))).toBe(0o700);
  });

  test("may have a path of exactly the longest length, however short its last name", async () => {
    for (const name of ["s", "a-rather-long-name.sock"]) {
      const directory = ownDirectory();
      const filler = "d".repeat(pathLimit() - Buffer.byteLength(`${directory}//${name}`));
      const path = join(directory, filler, name);
      expect(Buffer.byteLength(path)).toBe(pathLimit());
      const { address } = await open(path);
      expect(await clientOf(address).say({ text: "x" })).toMatchObject({ by: "A" });
      expect(readdirSync(dirname(path))).toEqual([name]);
    }
  });
});

describe("no endpoint is opened", () => {
  test("at a path of 130 bytes", async () => {
    const directory = ownDirectory();
    const path = `${directory}/${"p".repeat(129 - directory.length)}`;
    const error = await refusal(open(path));
    expect(error).toMatchObject({ exit: 78 });
    expect(error.message).toMatch(new RegExp(`130 bytes.*${pathLimit()}`));
    expect(readdirSync(directory)).toEqual([]);
  });

  test("at an abstract name", async () => {
    expect(await refusal(open("@name"))).toMatchObject({ exit: 78 });
  });

  test("as a pipe where there are none", async () => {
    const error = await refusal(open("", { address: { kind: "pipe", name: "x" } }));
    expect(error.message).toContain("Windows only");
  });

  test("in a shared socket's missing directory, which is the operator's to make", async () => {
    const directory = join(ownDirectory(), "missing");
    const error = await refusal(open(join(directory, "ci.sock"), { mode: "shared" }));
    expect(error).toMatchObject({ exit: 78, message: `the directory ${directory} does not exist` });
    expect(existsSync(directory)).toBe(false);
  });
});

describe("a way to the socket that others could change is refused, naming the place:", () => {
  test.each([
    ["group-writable parent", 0o770],
    ["world-writable parent", 0o777],
    ["group-writable grandparent", 0o770],
  ])("%s", async (place, mode) => {
    const exposed = join(ownDirectory(), "open");
    const parent = place.includes("grand") ? join(exposed, "run") : exposed;
    mkdirSync(parent, { recursive: true });
    chmodSync(exposed, mode);
    const error = await refusal(open(join(parent, "agent.sock")));
    expect(error.exit).toBe(78);
    expect(error.message).toContain(`${exposed} is writable`);
    expect(readdirSync(parent)).toEqual([]);
  });

  test("a plain file instead of a directory", async () => {
    const file = join(ownDirectory(), "file");
    writeFileSync(file, "");
    const error = await refusal(open(join(file, "agent.sock")));
    expect(error).toMatchObject({ exit: 78, message: `${file} is not a directory` });
  });

  test("a link that leads through an open directory", async () => {
    const directory = ownDirectory();
    mkdirSync(join(directory, "open", "run"), { recursive: true });
    chmodSync(join(directory, "open"), 0o777);
    symlinkSync(join("open", "run"), join(directory, "link"));
    const error = await refusal(open(join(directory, "link", "agent.sock")));
    expect(error.message).toContain(`${join(directory, "open")} is writable`);
  });

  test("a link to itself", async () => {
    const link = join(ownDirectory(), "loop");
    symlinkSync(link, link);
    expect((await refusal(open(join(link, "agent.sock")))).message).toContain("too many symbolic links");
  });

  test.runIf(asRoot)("a directory of another user", async () => {
    const foreign = join(ownDirectory(), "foreign");
    mkdirSync(foreign);
    chownSync(foreign, NOBODY, NOBODY);
    const error = await refusal(open(join(foreign, "agent.sock")));
    expect(error.message).toContain(`${foreign} belongs to uid ${NOBODY}`);
  });

  test.runIf(asRoot)("a sticky directory of another user", async () => {
    const foreign = join(ownDirectory(), "foreign");
    mkdirSync(foreign);
    chownSync(foreign, NOBODY, NOBODY);
    chmodSync(foreign, 0o1777);
    expect((await refusal(open(join(foreign, "agent.sock")))).message).toContain(`uid ${NOBODY}`);
  });

  test.runIf(asRoot)("a link of another user", async () => {
    const directory = ownDirectory();
    mkdirSync(join(directory, "run"));
    const link = join(directory, "link");
    symlinkSync("run", link);
    lchownSync(link, NOBODY, NOBODY);
    expect((await refusal(open(join(link, "agent.sock")))).message).toContain(`${link} belongs to uid`);
  });
});

describe("a way to the socket that nobody else can change is taken:", () => {
  test("through links of our own, absolute and relative", async () => {
    const directory = ownDirectory();
    mkdirSync(join(directory, "a", "run"), { recursive: true });
    symlinkSync(join(directory, "a"), join(directory, "absolute"));
    symlinkSync(join("..", basename(directory), "absolute", "run"), join(directory, "relative"));
    await open(join(directory, "relative", "agent.sock"));
    expect(readdirSync(join(directory, "a", "run"))).toEqual(["agent.sock"]);
  });

  test("in a sticky directory of root or our own", async () => {
    const sticky = join(ownDirectory(), "sticky");
    mkdirSync(sticky);
    chmodSync(sticky, 0o1777);
    const { address } = await open(join(sticky, "agent.sock"));
    expect(await clientOf(address).say({ text: "x" })).toMatchObject({ by: "A" });
  });
});

describe("what lies at the path already", () => {
  test("is replaced if it is a dead socket of ours", async () => {
    const path = join(ownDirectory(), "agent.sock");
    await deadSocket(path);
    const { address } = await open(path);
    expect(await clientOf(address).say({ text: "x" })).toMatchObject({ by: "A" });
    expect(readdirSync(dirname(path))).toEqual(["agent.sock"]);
  });

  test("stops a second broker with exit 75 if the first is alive, and the first goes on", async () => {
    const path = join(ownDirectory(), "agent.sock");
    const { address } = await open(path);
    const error = await refusal(open(path));
    expect(error).toMatchObject({ exit: 75, message: `a broker is already listening at ${path}` });
    expect(await clientOf(address).say({ text: "x" })).toMatchObject({ by: "A" });
  });

  test("is left alone if it is a plain file", async () => {
    const path = join(ownDirectory(), "agent.sock");
    writeFileSync(path, "precious");
    const error = await refusal(open(path));
    expect(error.exit).toBe(78);
    expect(error.message).toContain(`${path} is a plain file`);
    expect(readFileSync(path, "utf8")).toBe("precious");
  });

  test("is left alone if it is a directory", async () => {
    const path = join(ownDirectory(), "agent.sock");
    mkdirSync(path);
    expect((await refusal(open(path))).message).toContain(`${path} is a directory`);
  });

  test("is left alone if it is a link, even to a dead socket of ours", async () => {
    const directory = ownDirectory();
    await deadSocket(join(directory, "dead.sock"));
    const path = join(directory, "agent.sock");
    symlinkSync("dead.sock", path);
    expect((await refusal(open(path))).message).toContain(`${path} is a symbolic link`);
    expect(readlinkSync(path)).toBe("dead.sock");
  });

  test.runIf(asRoot)("is left alone if it is another user's socket, dead or alive", async () => {
    const path = join(ownDirectory(), "agent.sock");
    await deadSocket(path);
    chownSync(path, NOBODY, NOBODY);
    const { ino } = lstatSync(path);
    const error = await refusal(open(path));
    expect(error.exit).toBe(78);
    expect(error.message).toContain(`${path} is a socket of uid ${NOBODY}`);
    expect(lstatSync(path).ino).toBe(ino);
  });
});

describe("an endpoint that stops", () => {
  test("removes its socket", async () => {
    const directory = ownDirectory();
    const { listener } = await open(join(directory, "agent.sock"));
    listener.stop();
    expect(readdirSync(directory)).toEqual([]);
  });

  test("leaves the file alone that has taken its place", async () => {
    const path = join(ownDirectory(), "agent.sock");
    const { listener } = await open(path);
    unlinkSync(path);
    writeFileSync(path, "precious");
    await listener.close();
    expect(readFileSync(path, "utf8")).toBe("precious");
  });

  test("ends all the same if its directory is gone", async () => {
    const directory = join(ownDirectory(), "run");
    const { listener } = await open(join(directory, "agent.sock"));
    rmSync(directory, { recursive: true });
    writeFileSync(directory, "");
    await listener.close();
  });

  test("leaves its successor's socket alone", async () => {
    const path = join(ownDirectory(), "agent.sock");
    const first = await open(path);
    unlinkSync(path);
    const second = await open(path, { name: "second" });
    await first.listener.close();
    expect((await clientOf(second.address).say({ text: "x" })).peer).toMatch(/^second#/);
  });
});

test("addresses that nobody parsed are checked too", async () => {
  const error = await refusal(open("relative.sock"));
  expect(error.message).toContain("not absolute");
  expect(existsSync("relative.sock")).toBe(false);
});
