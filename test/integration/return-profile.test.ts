import { expect, test } from "vitest";
import type { GiveBack } from "../../src/provider/provider.ts";
import { gate, HOUR, LoneBroker } from "../support/lone-broker.ts";

const A = "openai-codex:a";

/** A login that was taken over, and a file that waits to get it back. */
async function taken(problem?: string) {
  const lone = await new LoneBroker().start();
  await lone.put(A, { ownership: "SOLE", sourcePath: "/a/file", livesMs: HOUR });
  const writing = gate<Parameters<GiveBack>[0]>();
  const written = gate();
  lone.giveBack = async (login) => {
    writing.open(login);
    await written.opened;
    return problem;
  };
  const stored = () => lone.store.stored(A, lone.clock.now());
  return { lone, writing: writing.opened, written, stored };
}

test("it is shared on the disk before the file has it, and gone when the file does", async () => {
  const { lone, writing, written, stored } = await taken();
  const returned = lone.broker.returnProfile(A);
  const login = await writing;
  expect(login).toMatchObject({ sourcePath: "/a/file", ids: [A] });
  expect(login.grant.refreshToken?.reveal()).toBe("rt-FAKE-a");
  expect(stored()?.ownership).toBe("SHARED");
  written.open();
  expect(await returned).toBe("/a/file");
  expect(stored()).toBeUndefined();
});

test("no refresh begins while the file is written, and one under way ends first", async () => {
  const { lone, writing, written } = await taken();
  const answering = gate();
  lone.answer = async (request) => {
    await answering.opened;
    return lone.granted(request, 1);
  };
  const first = lone.broker.ctx.refreshes.join(lone.broker.ctx.ledger.get(A) as never);
  const returned = lone.broker.returnProfile(A);
  await lone.settle();
  answering.open();
  await first.done;
  expect((await writing).grant.refreshToken?.reveal()).toBe("rt-FAKE-new-1");
  const second = lone.broker.ctx.refreshes.join(lone.broker.ctx.ledger.get(A) as never);
  await lone.settle();
  written.open();
  await Promise.all([returned, second.done]);
  expect(lone.sent).toEqual(["rt-FAKE-a"]);
});

test("a file that does not take it leaves everything as it was", async () => {
  const { lone, writing, written, stored } = await taken("it is another one's by now");
  const returned = lone.broker.returnProfile(A);
  await writing;
  written.open();
  await expect(returned).rejects.toMatchObject({ failure: { kind: "return_impossible" } });
  expect(stored()).toMatchObject({ ownership: "SOLE", grant: { kind: "oauth" } });
});

test("a login made meanwhile stays", async () => {
  const { lone, writing, written, stored } = await taken();
  const returned = lone.broker.returnProfile(A);
  await writing;
  await lone.put(A, { access: "at-FAKE-own", refresh: "rt-FAKE-own", ownership: "SOLE", origin: "login" });
  written.open();
  await returned;
  expect(stored()?.ownership).toBe("SOLE");
  expect(lone.secrets(A)?.refresh).toBe("rt-FAKE-own");
});

test("what was not taken over from a program's file cannot go back to one", async () => {
  const lone = await new LoneBroker().start();
  await lone.put(A, { ownership: "SOLE" });
  await expect(lone.broker.returnProfile(A)).rejects.toMatchObject({
    failure: { kind: "return_impossible" },
  });
});
