import { afterEach, expect, test } from "vitest";
import { type ModelApi, startModelApi, usageLimitReached } from "../support/model-api.mjs";

let api: ModelApi;
afterEach(() => api.close());

function call(token: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${api.baseUrl}/responses`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, ...headers },
    body: "{}",
  });
}

test("only a token it was told about gets an answer", async () => {
  api = await startModelApi();
  api.accept("at-FAKE-a", "acct-a");
  expect((await call("at-FAKE-x")).status).toBe(401);
  const response = await call("at-FAKE-a", { "chatgpt-account-id": "acct-a" });
  expect([response.status, await response.json()]).toEqual([200, { object: "response", account: "acct-a" }]);
  expect((await call("at-FAKE-a", { "chatgpt-account-id": "acct-b" })).status).toBe(403);
  expect(api.requests.map(({ account, status }) => [account, status])).toEqual([
    [undefined, 401],
    ["acct-a", 200],
    ["acct-a", 403],
  ]);
});

test("it asks the authorization server about tokens of which it was not told", async () => {
  api = await startModelApi({ accountOf: (token) => (token === "at-FAKE-live" ? "acct-a" : undefined) });
  expect([(await call("at-FAKE-live")).status, (await call("at-FAKE-dead")).status]).toEqual([200, 401]);
});

test("an account gets the answer that was set for it until it is taken back; others do not", async () => {
  api = await startModelApi();
  api.accept("at-FAKE-a", "acct-a");
  api.accept("at-FAKE-b", "acct-b");
  api.answer("acct-a", usageLimitReached({ resetsAtMs: 1_700_000_000_500 }));
  const refused = await call("at-FAKE-a");
  expect(refused.status).toBe(429);
  expect(refused.headers.get("x-codex-primary-reset-at")).toBe("1700000000");
  expect(await refused.json()).toMatchObject({
    error: { type: "usage_limit_reached", resets_at: 1_700_000_000 },
  });
  expect((await call("at-FAKE-b")).status).toBe(200);
  api.answer("acct-a", undefined);
  expect((await call("at-FAKE-a")).status).toBe(200);
});
