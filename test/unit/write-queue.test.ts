import { describe, expect, test } from "vitest";
import { WriteQueue } from "../../src/broker/write-queue.ts";
import type { Profile } from "../../src/domain/profile.ts";
import { profileWith } from "../support/arbitrary.ts";

/** A queue whose writes a test lets through or refuses one by one. */
function world(stored: Profile | undefined = profileWith()) {
  const writes: { profile: Profile; reserve: boolean; finish: (error?: Error) => void }[] = [];
  const shown: (Profile | undefined)[] = [];
  const rests = { count: 0 };
  const queue = new WriteQueue(
    "openai-codex:work",
    {
      replace: (profile, revision, reserve) =>
        new Promise((resolve, reject) => {
          writes.push({
            profile,
            reserve,
            finish: (error) => (error ? reject(error) : resolve(revision + 1)),
          });
        }),
      remove: async () => {},
      onSwap: (_before, after) => shown.push(after),
      onRest: () => {
        rests.count += 1;
      },
    },
    stored === undefined ? undefined : { profile: stored, revision: 1 },
  );
  return { queue, writes, shown, rests };
}

const bump = (profile: Profile | undefined): Profile => {
  if (profile === undefined) throw new Error("not there");
  return { ...profile, generation: profile.generation + 1 };
};
const same = (profile: Profile | undefined): Profile => profile ?? profileWith();

describe("a profile's changes", () => {
  test("are visible only after they are written", async () => {
    const { queue, writes, shown } = world();
    const done = queue.commit(bump);
    await Promise.resolve();
    expect(queue.profile?.generation).toBe(1);
    writes[0]?.finish();
    await done;
    expect(queue.profile?.generation).toBe(2);
    expect(shown).toHaveLength(1);
  });

  test("that wait for a write are written together", async () => {
    const { queue, writes } = world();
    const all = Promise.all(Array.from({ length: 100 }, () => queue.commit(bump)));
    writes[0]?.finish();
    await new Promise((resolve) => setImmediate(resolve));
    writes[1]?.finish();
    await all;
    expect(writes).toHaveLength(2);
    expect(queue.profile?.generation).toBe(101);
  });

  test("that change nothing are not written", async () => {
    const { queue, writes } = world();
    await queue.commit(same);
    expect(writes).toHaveLength(0);
  });

  test("that cannot be written have not happened", async () => {
    const { queue, writes, shown } = world();
    const done = queue.commit(bump);
    writes[0]?.finish(new Error("disk full"));
    await expect(done).rejects.toThrow("disk full");
    expect([queue.profile?.generation, queue.isDirty, shown.length]).toEqual([1, false, 0]);
  });

  test("that must not be forgotten are applied in memory, and written with the next", async () => {
    const { queue, writes } = world();
    const kept = queue.commit(bump, { keep: true });
    writes[0]?.finish(new Error("disk full"));
    await expect(kept).rejects.toThrow("disk full");
    expect([queue.profile?.generation, queue.isDirty]).toEqual([2, true]);
    const retry = queue.commit(same);
    writes[1]?.finish();
    await retry;
    expect([writes[1]?.profile.generation, queue.isDirty]).toEqual([2, false]);
  });

  test("refused one by one do not spoil the others", async () => {
    const { queue, writes } = world();
    const first = queue.commit(bump);
    const refused = queue.commit(() => {
      throw new Error("no");
    });
    const last = queue.commit(bump);
    writes[0]?.finish();
    await expect(refused).rejects.toThrow("no");
    writes[1]?.finish();
    await Promise.all([first, last]);
    expect(queue.profile?.generation).toBe(3);
  });

  test("after a removal find nothing", async () => {
    const { queue } = world();
    await queue.commit("remove");
    await expect(queue.commit(bump)).rejects.toThrow("not there");
    await expect(queue.commit("remove")).rejects.toThrow();
  });

  test("reserve space if one of those written together wants it", async () => {
    const { queue, writes } = world();
    const done = queue.commit(bump, { reserve: true });
    writes[0]?.finish();
    await done;
    expect(writes[0]?.reserve).toBe(true);
  });

  test("are over when nothing is written and nothing waits, whatever came of them", async () => {
    const { queue, writes, rests } = world();
    const all = Promise.allSettled([queue.commit(bump), queue.commit("remove"), queue.commit(bump)]);
    writes[0]?.finish();
    await all;
    await new Promise((resolve) => setImmediate(resolve));
    expect(rests.count).toBe(1);
  });
});
