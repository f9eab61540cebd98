import { expect, test } from "vitest";
import { together } from "../../src/cli/import-plan.ts";
import type { Account } from "../../src/domain/grant.ts";
import { Secret } from "../../src/domain/secret.ts";
import { type ImportedProfile, planOf } from "../../src/import/item.ts";

function login(
  id: string,
  account: Account,
  issuedAtMs: number,
  from: "codex" | "openclaw",
): ImportedProfile {
  const [provider = "", label = ""] = id.split(":");
  return {
    id,
    provider,
    label,
    aliases: [],
    grant: {
      kind: "oauth",
      accessToken: new Secret(`at-FAKE-${issuedAtMs}`),
      tokenType: "Bearer",
      issuedAtMs,
      scopes: [],
    },
    account,
    attributes: {},
    sourcePath: `/${from}`,
    copies: [],
    source: from,
    cooldowns: [],
  };
}

const A = { accountId: "acct-a", userId: "user-a" };
const B = { accountId: "acct-b", userId: "user-b" };

test("one account in two programs is taken once, the newer login of it, under the first id", () => {
  const plan = together([
    planOf([login("p:a", A, 1, "codex")]),
    planOf([login("p:work", A, 2, "openclaw"), login("p:b", B, 1, "openclaw")]),
  ]);
  expect(plan.profiles).toMatchObject([
    { id: "p:a", label: "a", aliases: ["p:work"], sourcePath: "/openclaw" },
    { id: "p:b" },
  ]);
  expect(plan.skipped).toEqual([
    { item: "p:a", reason: "/codex holds the same account; /openclaw was taken" },
  ]);
});

test("an older or equally old login of the same account is left", () => {
  const plan = together([planOf([login("p:a", A, 2, "codex")]), planOf([login("p:a", A, 2, "openclaw")])]);
  expect(plan.profiles).toMatchObject([{ id: "p:a", aliases: [], sourcePath: "/codex" }]);
  expect(plan.skipped).toMatchObject([{ item: "p:a" }]);
});

test("two accounts under one id are told apart, and the second is not taken", () => {
  const plan = together([planOf([login("p:a", A, 1, "codex")]), planOf([login("p:a", B, 2, "openclaw")])]);
  expect(plan.profiles).toMatchObject([{ id: "p:a", account: A, sourcePath: "/codex" }]);
  expect(plan.skipped).toMatchObject([{ item: "p:a", reason: expect.stringContaining("another account") }]);
});

test("orders, warnings and what the sources skipped are kept", () => {
  const order = { provider: "p", profiles: ["p:a"] };
  const skipped = { item: "x", reason: "y" };
  const plan = together([
    { profiles: [], skipped: [skipped], orders: [order], warnings: ["w"] },
    planOf([login("p:a", A, 1, "codex")]),
  ]);
  expect(plan).toMatchObject({
    skipped: [skipped],
    orders: [order],
    warnings: ["w"],
    profiles: [{ id: "p:a" }],
  });
});
