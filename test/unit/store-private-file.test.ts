import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readError, writeError } from "../../src/store/file-error.ts";
import { ensurePrivateDirectory } from "../../src/store/private-directory.ts";
import {
  isLeftover,
  moveDurable,
  proveWritable,
  readPrivate,
  removeDurable,
  reserve,
  retryWhileHeld,
  writeDurable,
} from "../../src/store/private-file.ts";

const posix = process.platform !== "win32";
const root = process.geteuid?.() === 0;
const LIMIT = 1024;

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "store-"));
  path = join(directory, "d.json");
});
afterEach(() => rmSync(directory, { recursive: true }));

function mode(of: string): string {
  return (statSync(of).mode & 0o777).toString(8);
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: fabricated`), { code });
}

describe("writing a private file", () => {
  it("replaces the whole content and leaves nothing else behind", async () => {
    await writeDurable(path, Buffer.from("a long first text"));
    await writeDurable(path, Buffer.from("second"));
    expect(readFileSync(path, "latin1")).toBe("second");
    expect(readdirSync(directory)).toEqual(["d.json"]);
  });

  it.runIf(posix)("makes it readable for its owner only, also where it was not", async () => {
    writeFileSync(path, "old", { mode: 0o644 });
    chmodSync(path, 0o644);
    await writeDurable(path, Buffer.from("new"));
    expect(mode(path)).toBe("600");
  });

  it("replaces what a symbolic link names by a file of its own", async () => {
    writeFileSync(join(directory, "elsewhere"), "theirs");
    symlinkSync("elsewhere", path);
    await writeDurable(path, Buffer.from("ours"));
    expect(readFileSync(join(directory, "elsewhere"), "latin1")).toBe("theirs");
    expect(readFileSync(path, "latin1")).toBe("ours");
  });

  it("keeps the old content and removes its temporary file when the last step is refused", async () => {
    mkdirSync(path);
    await expect(writeDurable(path, Buffer.from("x"))).rejects.toMatchObject({ name: "StoreError", path });
    expect(readdirSync(directory)).toEqual(["d.json"]);
  });

  it("says so when the directory is gone", async () => {
    const gone = join(directory, "gone", "d.json");
    await expect(writeDurable(gone, Buffer.from("x"))).rejects.toMatchObject({ code: "io", path: gone });
  });
});

describe("reserved space", () => {
  it("is a private file with real blocks", async () => {
    await reserve(path, 100_000);
    const spare = statSync(`${path}.spare`);
    expect(spare.size).toBe(100_000);
    if (posix) expect(spare.blocks * 512).toBeGreaterThanOrEqual(100_000);
    if (posix) expect(mode(`${path}.spare`)).toBe("600");
  });

  it("becomes the file at the next write", async () => {
    await reserve(path, 100_000);
    const { ino } = statSync(`${path}.spare`);
    await writeDurable(path, Buffer.from("content"));
    expect(readFileSync(path, "latin1")).toBe("content");
    expect(statSync(path).ino).toBe(ino);
    expect(readdirSync(directory)).toEqual(["d.json"]);
  });

  it("takes content of any size", async () => {
    await reserve(path, 10);
    await writeDurable(path, Buffer.alloc(1_000_000, "x"));
    expect(readFileSync(path).equals(Buffer.alloc(1_000_000, "x"))).toBe(true);
    expect(readdirSync(directory)).toEqual(["d.json"]);
  });

  it("is kept for later if so asked", async () => {
    await reserve(path, 100);
    await writeDurable(path, Buffer.from("first"), { keepSpare: true });
    expect(readdirSync(directory).sort()).toEqual(["d.json", "d.json.spare"]);
    expect(readFileSync(path, "latin1")).toBe("first");
  });

  it("grows when more is asked for, and never shrinks", async () => {
    await reserve(path, 100);
    await reserve(path, 300);
    await reserve(path, 200);
    expect(readFileSync(`${path}.spare`).equals(Buffer.alloc(300))).toBe(true);
  });

  it("does not stand in the way when something is wrong with it", async () => {
    mkdirSync(`${path}.spare`);
    await writeDurable(path, Buffer.from("content"));
    expect(readFileSync(path, "latin1")).toBe("content");
  });

  it("goes with the file", async () => {
    await reserve(path, 100);
    await writeDurable(path, Buffer.from("x"), { keepSpare: true });
    await removeDurable(path);
    await removeDurable(path);
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe("reading a private file", () => {
  it("tells an absent file from one that cannot be read", () => {
    expect(readPrivate(path, LIMIT)).toBeUndefined();
    mkdirSync(path);
    expect(() => readPrivate(path, LIMIT)).toThrow(
      expect.objectContaining({ code: "unreadable", path, message: "there is something that is no file" }),
    );
  });

  it("refuses a file above the limit, and reads one at the limit", () => {
    writeFileSync(path, Buffer.alloc(LIMIT));
    expect(readPrivate(path, LIMIT)?.length).toBe(LIMIT);
    writeFileSync(path, Buffer.alloc(LIMIT + 1));
    expect(() => readPrivate(path, LIMIT)).toThrow(expect.objectContaining({ code: "unreadable" }));
  });

  it.runIf(posix)("takes other users' rights away", () => {
    writeFileSync(path, "old");
    chmodSync(path, 0o644);
    expect(readPrivate(path, LIMIT)?.toString()).toBe("old");
    expect(mode(path)).toBe("600");
  });

  it.runIf(posix)("does not wait at a pipe", async () => {
    const { execFileSync } = await import("node:child_process");
    execFileSync("mkfifo", [path]);
    expect(() => readPrivate(path, LIMIT)).toThrow(expect.objectContaining({ code: "unreadable" }));
  });
});

describe("a private directory", () => {
  it.runIf(posix)("is made with all that leads to it, closed to others", async () => {
    const deep = join(directory, "a", "b");
    expect(await ensurePrivateDirectory(deep)).toBe("created");
    expect([mode(join(directory, "a")), mode(deep)]).toEqual(["700", "700"]);
    expect(await ensurePrivateDirectory(deep)).toBe("private");
  });

  it.runIf(posix)("is closed to others if it was open", async () => {
    const open = join(directory, "open");
    mkdirSync(open);
    chmodSync(open, 0o755);
    expect(await ensurePrivateDirectory(open)).toBe("tightened");
    expect(mode(open)).toBe("700");
  });

  it.runIf(posix && root)("of another user is refused and left as it is", async () => {
    const theirs = join(directory, "theirs");
    mkdirSync(theirs);
    chownSync(theirs, 65534, 65534);
    chmodSync(theirs, 0o755);
    await expect(ensurePrivateDirectory(theirs)).rejects.toMatchObject({ code: "denied", path: theirs });
    expect(mode(theirs)).toBe("755");
  });

  it("is refused where there is a file", async () => {
    writeFileSync(path, "");
    await expect(ensurePrivateDirectory(path)).rejects.toMatchObject({ code: "unreadable", path });
    await expect(ensurePrivateDirectory(join(path, "below"))).rejects.toMatchObject({ code: "unreadable" });
  });
});

describe("other operations", () => {
  it("a move replaces nothing but its target", async () => {
    writeFileSync(path, "x");
    await moveDurable(path, `${path}.corrupt`);
    expect(readdirSync(directory)).toEqual(["d.json.corrupt"]);
    await expect(moveDurable(path, `${path}.corrupt`)).rejects.toMatchObject({ code: "io", path });
  });

  it("a proof of writability leaves nothing behind", async () => {
    await proveWritable(directory, 16_384);
    expect(readdirSync(directory)).toEqual([]);
    await expect(proveWritable(join(directory, "gone"), 1)).rejects.toMatchObject({ code: "io" });
  });

  it("leftovers are told by their names", () => {
    expect(["a.json.0123456789ab.tmp", "a.json.spare"].every(isLeftover)).toBe(true);
    expect(["a.json", "lock", "a.tmp", "a.json.corrupt-20270115T080000000Z"].some(isLeftover)).toBe(false);
  });

  it("a file that another program holds for a moment is tried again, with growing pauses", async () => {
    const errors = ["EBUSY", "EPERM", "EACCES"];
    const pauses: number[] = [];
    await retryWhileHeld(
      async () => {
        const code = errors.shift();
        if (code !== undefined) throw systemError(code);
      },
      [10, 20, 40, 80],
      async (ms) => pauses.push(ms),
    );
    expect(pauses).toEqual([10, 20, 40]);
  });

  it("a file that stays held, or another error, is reported", async () => {
    const refused = (code: string, delays: number[]) =>
      retryWhileHeld(
        () => Promise.reject(systemError(code)),
        delays,
        async () => {},
      );
    await expect(refused("EBUSY", [1, 2])).rejects.toMatchObject({ code: "EBUSY" });
    await expect(refused("ENOSPC", [1, 2])).rejects.toMatchObject({ code: "ENOSPC" });
    await expect(refused("EPERM", [])).rejects.toMatchObject({ code: "EPERM" });
  });
});

describe("what the file system says", () => {
  it.each([
    ["ENOSPC", "full", "free space"],
    ["EDQUOT", "full", "quota"],
    ["EFBIG", "full", "ulimit -f"],
    ["EROFS", "read_only", "read-write"],
    ["EACCES", "denied", "right"],
    ["EPERM", "denied", "right"],
    ["EMFILE", "io", "ulimit -n"],
    ["EIO", "io", "check the disk"],
  ])("%s becomes %s, with what to do", (errno, code, mend) => {
    const error = writeError(systemError(errno), "/p");
    expect(error).toMatchObject({ name: "StoreError", code, path: "/p" });
    expect(error.mend).toContain(mend);
    expect(error.message).toContain(errno);
    const reading = readError(systemError(errno), "/p");
    expect(reading).toMatchObject({ code: "unreadable", mend: error.mend });
  });

  it("has its name also where Node has none for it", () => {
    const error = Object.assign(systemError("Unknown system error -122"), { errno: -constants.errno.EDQUOT });
    expect(writeError(error, "/p")).toMatchObject({
      code: "full",
      message: expect.stringContaining("EDQUOT"),
    });
  });

  it("is passed on unchanged once it is known", () => {
    const error = writeError(systemError("ENOSPC"), "/near");
    expect(writeError(error, "/far")).toBe(error);
  });
});
