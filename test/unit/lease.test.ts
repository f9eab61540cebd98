import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LeaseIds } from "../../src/broker/lease.ts";
import type { Lease } from "../../src/broker/lease-text.ts";
import { PROFILE_KINDS, type ProfileKind } from "../../src/domain/grant.ts";

const KEY = new Uint8Array(32).fill(7);
const ids = new LeaseIds(KEY);

const lease: Lease = {
  profile: "openai-codex:work",
  generation: 3,
  accountEpoch: "epoch-1",
  request: {
    provider: "openai-codex",
    model: "gpt-5.4",
    sessionId: "s1",
    pool: "",
    kinds: ["oauth"],
    minValidForMs: 60_000,
    profile: "",
    excludeProfiles: ["openai-codex:other"],
  },
  endpoint: "agent",
  uid: 1000,
  issuedAtMs: 1_800_000_000_000,
  expiresAtMs: 1_800_003_600_000,
  trial: true,
  channel: "watch",
};

describe("a lease id", () => {
  test("brings back everything that a report must know", () => {
    const { tag: _tag, ...read } = ids.read(ids.write(lease)) ?? { tag: "" };
    expect(read).toEqual(lease);
  });

  test.each([
    ["of the usual kind", fc.stringMatching(/^[\w.:@/-]{0,12}$/), 0],
    ["with separators in it", fc.constantFrom("", "a", "~", "2~", "a~b~c"), 0],
    ["of any kind", fc.oneof(fc.constantFrom("", "~", "."), fc.string({ unit: "binary" })), 2],
  ])("%s brings back everything", (_kind, text, mostListed) => {
    const moment = fc.oneof(fc.nat(), fc.double({ min: 0, max: 8.64e15, noNaN: true }).map(Math.abs));
    const request = fc.record({
      provider: text,
      model: text,
      sessionId: text,
      pool: text,
      kinds: fc.subarray<ProfileKind>([...PROFILE_KINDS], { maxLength: mostListed }),
      minValidForMs: moment,
      profile: text,
      excludeProfiles: fc.array(text, { maxLength: mostListed }),
    });
    const leases = fc.record<Lease>({
      profile: text,
      generation: fc.nat(),
      accountEpoch: text,
      request,
      endpoint: text,
      uid: fc.nat(),
      issuedAtMs: moment,
      expiresAtMs: moment,
      trial: fc.boolean(),
      channel: fc.constantFrom("acquire", "watch"),
    });
    fc.assert(
      fc.property(leases, (any) => {
        const { tag: _tag, ...read } = ids.read(ids.write(any)) ?? { tag: "" };
        expect(read).toEqual(any);
      }),
    );
  });

  test("of the usual kind needs no quotes in a shell", () => {
    const usual = { ...lease, request: { ...lease.request, kinds: [], excludeProfiles: [] } };
    const id = ids.write(usual);
    expect(id).toMatch(/^[\w.:@/~-]+$/);
    expect(ids.read(id)).toMatchObject(usual);
    expect(id).toContain(usual.profile);
  });

  test("can be read again for a request that excludes as much as a request may", () => {
    // 16 KiB of what needs the most room in an id, and the longest names beside them.
    const excludeProfiles = Array.from({ length: 256 }, (_, i) => `o:${String(i).padEnd(62, '"')}`);
    const [model, sessionId, pool] = ["\u20ac", "\u20ac", "\u20ac"].map((letter) => letter.repeat(256));
    const long = {
      ...lease,
      request: { ...lease.request, model, sessionId, pool, excludeProfiles },
    } as Lease;
    expect(ids.read(ids.write(long))?.request.excludeProfiles).toEqual(excludeProfiles);
  });

  test("is another one each time, with another tag", () => {
    const [a, b] = [ids.write(lease), ids.write(lease)];
    expect(a).not.toBe(b);
    expect(ids.read(a)?.tag).not.toBe(ids.read(b)?.tag);
  });

  test("altered in any one character is unknown", () => {
    const id = ids.write(lease);
    fc.assert(
      fc.property(fc.nat(id.length - 1), fc.constantFrom(..."ABab01-_.="), (at, letter) => {
        fc.pre(id[at] !== letter);
        expect(ids.read(id.slice(0, at) + letter + id.slice(at + 1))).toBeUndefined();
      }),
    );
  });

  test("made with another key is unknown", () => {
    expect(new LeaseIds(new Uint8Array(32).fill(8)).read(ids.write(lease))).toBeUndefined();
  });

  test.each(["", ".", "a.b", "x".repeat(100_000)])("that is no id at all is unknown", (text) => {
    expect(ids.read(text)).toBeUndefined();
  });
});
