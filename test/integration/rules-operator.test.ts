import { expect, test } from "vitest";
import { at, HOUR, world } from "../support/broker-world.ts";

const OWN = "my-company";
const A = `${OWN}:a`;
const B = `${OWN}:b`;
/** What nobody but this operator can know: the house gateway's way to say that the month is over. */
const ANSWER = { httpStatus: 400, body: { error: { code: "E_4711", message: "see the intranet" } } };
const RULE = {
  name: "month_over",
  match: { provider: OWN, code: "e_4711" },
  outcome: "USAGE_LIMIT",
  reset: "6h",
};

const owning = (...rules: object[]) =>
  world({ config: { providers: { [OWN]: { type: "api-key" } }, rules } });

test("without a rule of the operator's own, nobody can tell what that answer means", async () => {
  await using broker = await owning();
  await broker.putKey(A);
  const { lease } = await broker.acquire(OWN);
  expect(await broker.reportRaw(lease.leaseId, ANSWER)).toMatchObject({
    outcome: "OUTCOME_UNRECOGNIZED",
    scope: "SCOPE_NONE",
    profileState: "PROFILE_STATE_READY",
  });
});

test("a rule in config.json changes what a raw answer means, and what becomes of the profile", async () => {
  await using broker = await owning(RULE);
  await broker.putKey(A);
  await broker.putKey(B);
  const { lease } = await broker.acquire(OWN);
  const answer = await broker.reportRaw(lease.leaseId, ANSWER, { acquireNext: true });
  expect(answer).toMatchObject({
    outcome: "OUTCOME_USAGE_LIMIT",
    scope: "SCOPE_PROFILE",
    advice: { action: "ADVICE_ACTION_RETRY_NEXT" },
    profileState: "PROFILE_STATE_COOLING_DOWN",
    next: { granted: { lease: { profile: B } } },
  });
  expect(at(answer.retryTime)).toBe(broker.nowMs + 6 * HOUR);
  await broker.advance(6 * HOUR);
  expect((await broker.get(A)).state).toBe("PROFILE_STATE_READY");
});

test("a rule that names no provider is one for all of them", async () => {
  await using broker = await owning({ ...RULE, match: { code: "e_4711" } });
  await broker.putKey(A);
  const { lease } = await broker.acquire(OWN);
  expect(await broker.reportRaw(lease.leaseId, ANSWER)).toMatchObject({ outcome: "OUTCOME_USAGE_LIMIT" });
});

test("a rule never makes a ban: the other profiles serve on", async () => {
  await using broker = await owning({ name: "shut", match: { status: 400 }, outcome: "FORBIDDEN" });
  await broker.putToken(A);
  await broker.putToken(B);
  const { lease } = await broker.acquire(OWN);
  const answer = await broker.reportRaw(lease.leaseId, ANSWER, { acquireNext: true });
  expect(answer).toMatchObject({ profileState: "PROFILE_STATE_BLOCKED" });
  expect(answer.next?.granted?.lease.profile).toBe(B);
});
