import { describe, expect, test } from "vitest";
import { type Acquired, BrokerError, type WatchState } from "../../src/client/index.ts";
import { push } from "../../src/openclaw/push.ts";
import { answerSecrets, readIds, wishOf } from "../../src/openclaw/secrets.ts";
import { turns, until } from "../support/until.ts";

const granted = (profile: string, generation = 1, key = "sk-FAKE") =>
  ({ lease: { profile, generation }, credential: { apiKey: { key } } }) as unknown as Acquired;

function failure(reason: string): BrokerError {
  return new BrokerError({ code: "NOT_FOUND", message: "no", reason, profiles: [] } as never);
}

describe("a request of OpenClaw", () => {
  test("is read, or is exit 65", () => {
    expect(readIds('{"protocolVersion":1,"provider":"x","ids":["a","b:c"]}')).toEqual(["a", "b:c"]);
    for (const text of ["", "[]", '{"protocolVersion":2,"ids":[]}', '{"protocolVersion":1}'])
      expect(() => readIds(text)).toThrow(expect.objectContaining({ exit: 65 }));
  });

  test("asks for a provider or for one profile of it, with # for @", () => {
    expect(wishOf("anthropic")).toEqual({ provider: "anthropic" });
    expect(wishOf("openai-codex:a#example.test")).toEqual({
      provider: "openai-codex",
      profile: "openai-codex:a@example.test",
    });
  });

  test("is answered for all ids at once; one that cannot be had harms no other", async () => {
    const asked: string[] = [];
    const acquire = async ({ provider, bareToken }: { provider: string; bareToken?: boolean }) => {
      // An endpoint that prints no tokens prints none for OpenClaw either.
      expect(bareToken).toBe(true);
      asked.push(provider);
      await turns(1);
      expect(asked).toHaveLength(3);
      if (provider === "none") throw failure("NO_PROFILE");
      if (provider === "tired") throw failure("ALL_COOLING_DOWN");
      return granted(`${provider}:a`);
    };
    const answer = await answerSecrets(["good", "none", "tired", "good"], { acquire } as never);
    expect(answer).toMatchObject({
      protocolVersion: 1,
      values: { good: "sk-FAKE" },
      errors: { none: { code: "NOT_FOUND" }, tired: { code: "ALL_COOLING_DOWN" } },
    });
  });

  test("is not answered at all without a broker", async () => {
    const acquire = async () => {
      throw failure("");
    };
    await expect(answerSecrets(["x"], { acquire } as never)).rejects.toBeInstanceOf(BrokerError);
  });
});

describe("OpenClaw is told of another credential", () => {
  /** A push under way: `say` is the broker, `tick` lets the pause end. */
  function pushing(reloadFails = 0) {
    let failures = reloadFails;
    const states = new Map<string, (state: WatchState) => void>();
    const pauses: { ms: number; end: () => void }[] = [];
    const end = new AbortController();
    const seen = { reloads: 0, notes: [] as string[] };
    const watch = async function* ({ provider }: { provider: string }) {
      for (;;) yield await new Promise<WatchState>((resolve) => states.set(provider, resolve));
    };
    void push({
      ids: ["a", "b"],
      broker: { watch } as never,
      everyMs: 30_000,
      signal: end.signal,
      note: (line) => void seen.notes.push(line),
      clock: {
        now: () => ({ wallMs: 0, monoMs: 0 }),
        sleep: (ms) => new Promise((resolve) => pauses.push({ ms, end: resolve })),
      },
      reload: async () => {
        seen.reloads += 1;
        if (failures-- > 0) throw new Error("no gateway");
      },
    });
    const say = async (id: string, state: WatchState) => {
      await until(() => states.has(id));
      const tell = states.get(id);
      states.delete(id);
      tell?.(state);
      await turns(3);
    };
    return { say, seen, pauses, end };
  }

  test("at once, and then as often as allowed, however many there are", async () => {
    const { say, seen, pauses, end } = pushing();
    await say("a", { granted: granted("a:1") });
    await say("b", { granted: granted("b:1") });
    expect(seen.reloads).toBe(0);
    await say("a", { granted: granted("a:1", 2) });
    expect(seen.reloads).toBe(1);
    await say("a", { granted: granted("a:2") });
    await say("b", { granted: granted("b:1", 2) });
    await say("a", { granted: granted("a:3") });
    expect(seen.reloads).toBe(1);
    expect(pauses.map(({ ms }) => ms)).toEqual([30_000]);
    pauses[0]?.end();
    await turns(3);
    expect(seen.reloads).toBe(2);
    end.abort();
  });

  test("not of an outage, nor of what it has already", async () => {
    const { say, seen, end } = pushing();
    await say("a", { granted: granted("a:1") });
    await say("a", { unavailable: { reason: "ALL_COOLING_DOWN" } as never });
    await say("a", { granted: granted("a:1") });
    expect(seen.reloads).toBe(0);
    end.abort();
  });

  test("again until it works, more and more rarely", async () => {
    const { say, seen, pauses, end } = pushing(2);
    await say("a", { granted: granted("a:1") });
    await say("a", { granted: granted("a:1", 2) });
    pauses[0]?.end();
    await turns(3);
    pauses[1]?.end();
    await turns(3);
    expect(seen.reloads).toBe(3);
    expect(pauses.map(({ ms }) => ms)).toEqual([60_000, 120_000, 30_000]);
    expect(seen.notes.at(-1)).toBe("OpenClaw has the new a");
    end.abort();
  });
});
