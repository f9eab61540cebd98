import { afterAll, describe, expect, test } from "vitest";
import { broken, KillWorld, type Point, type Rotation } from "../support/kill-world.ts";
import { straceWorks } from "../support/strace.ts";

// The broker is killed at every system call of a refresh that touches its state or the token connection,
// and each of these calls is made to fail. `KillWorld` judges what a new process makes of it.

const usable = await straceWorks();
if (!usable) console.warn("SKIPPED: no broker is killed at its system calls, strace does not work here");

/** Everything at every kind of rotation takes a quarter of an hour; without this the rest is sampled. */
const everything = process.env.FAULT_EVERYTHING === "1";
const ROTATIONS: readonly Rotation[] = ["strict", "grace", "none"];
const ERRORS = everything ? ["EIO", "ENOSPC", "EROFS", "EMFILE"] : ["ENOSPC"];

interface Row {
  readonly rotation: Rotation;
  readonly what: string;
  readonly done: string;
  readonly outcome: string;
}
const rows: Row[] = [];
afterAll(() => {
  if (rows.length > 0) console.log(table(rows));
});

/** How many points ended how, by rotation and by what was done. */
function table(all: readonly Row[]): string {
  const counts = new Map<string, number>();
  for (const { rotation, done, outcome } of all) {
    const key = `${rotation.padEnd(7)} ${done.padEnd(7)} ${outcome}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts].map(([key, count]) => `${String(count).padStart(4)} ${key}`).join("\n");
}

const onNetwork = ({ what }: Point) => what.endsWith("tcp");

describe.runIf(usable).each(ROTATIONS)("a broker that is killed in a refresh, rotation %s,", (rotation) => {
  test("leaves the newest grant, or says what is wrong with the login", { timeout: 1_200_000 }, async () => {
    const world = await KillWorld.open(rotation);
    try {
      const points = await world.points();
      expect(points.filter(onNetwork).length).toBeGreaterThan(3);
      const tried = everything || rotation === "strict" ? points : points.filter(onNetwork);
      for (const point of tried) {
        const { isHit, outcome } = await world.kill(point);
        rows.push({ rotation, what: point.what, done: "killed", outcome });
        expect.soft(isHit, `not killed at ${point.what}`).toBe(true);
      }
      const sent = rows.filter((r) => r.rotation === rotation && r.outcome.startsWith("sent and lost"));
      expect(sent.length).toBeGreaterThan(0);
    } finally {
      await world.close();
    }
  });
});

describe.runIf(usable).each(everything ? ROTATIONS : ROTATIONS.slice(0, 1))(
  "a system call that fails in a refresh, rotation %s,",
  (rotation) => {
    test.each(ERRORS)("with %s, costs no login", { timeout: 1_200_000 }, async (error) => {
      const world = await KillWorld.open(rotation);
      try {
        const points = (await world.points()).filter((p) => !onNetwork(p) && applies(error, p));
        for (const point of points) {
          const { outcome } = await world.refuse(point, error);
          rows.push({ rotation, what: point.what, done: error, outcome });
          expect.soft(outcome, point.what).toMatch(/good$/);
        }
      } finally {
        await world.close();
      }
    });
  },
);

function applies(error: string, { name }: Point): boolean {
  if (error === "EMFILE") return name === "openat";
  if (error === "EROFS") return ["openat", "rename", "ftruncate"].includes(name);
  return name !== "close";
}

describe.runIf(usable)("a refresh", () => {
  test("sends when the intent is durable, and answers when the new grant is", async () => {
    const world = await KillWorld.open("strict");
    try {
      expect(inOrder(await world.order())).toBe(true);
    } finally {
      await world.close();
    }
  });
});

/** Intent synced, then sent, then the new record synced, then the directory, then answered. */
function inOrder(calls: readonly Point[]): boolean {
  const names = calls.map(({ what }) => what);
  const sent = names.findIndex((n) => /^(writev|write|sendmsg|sendto) tcp/.test(n));
  const answered = names.findLastIndex((n) => /^writev? run/.test(n));
  const before = names.slice(0, sent);
  const between = names.slice(sent, answered);
  const isSynced = (part: readonly string[]) => {
    const file = part.findLastIndex((n) => /^fsync state\/profiles\//.test(n));
    const renamed = part.findLastIndex((n) => /^rename state\/profiles\//.test(n));
    const directory = part.lastIndexOf("fsync state/profiles");
    return file >= 0 && file < renamed && renamed < directory;
  };
  return sent > 0 && answered > sent && isSynced(before) && isSynced(between);
}

describe.runIf(usable)("the judge of these tests notices a broker", () => {
  const worlds = async (program: ReturnType<typeof broken>, run: (world: KillWorld) => Promise<void>) => {
    const world = await KillWorld.open("strict", program.main);
    try {
      await run(world);
    } finally {
      await world.close();
      program.remove();
    }
  };

  test("that keeps no intent", () =>
    worlds(broken("store/record.js", "...(intent === undefined", "...(true"), async (world) => {
      const point = (await world.points()).find(({ what }) => what === "read tcp");
      await expect(world.kill(point as Point)).rejects.toThrow(/not told as such/);
    }));

  test("that answers before the grant is on the disk", () =>
    worlds(broken("store/lowdb.js", "await document.write();", "void document.write();"), async (world) => {
      expect(inOrder(await world.order())).toBe(false);
    }));

  test("that does not sync the directory", () =>
    worlds(broken("store/private-directory.js", "await directory.sync();", ""), async (world) => {
      expect(inOrder(await world.order())).toBe(false);
    }));
});
