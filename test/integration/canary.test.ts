import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials, type ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clientConstructor, type Message, SERVICES } from "../../src/rpc/schema.ts";
import { type Running, start } from "../support/process.mjs";

const REFRESH = "rt-FAKE-canary-0001";
const ACCESS = "at-FAKE-canary-0001";
const ID_TOKEN = "id-FAKE-canary-0001";
const PROVIDER_TEXT = "provider-text-canary";
const MAIN = new URL("../../dist/cli/main.js", import.meta.url).pathname;

/** A token endpoint that repeats whatever it is sent, in every way that an error can be told. */
const answers: readonly ((echo: string) => {
  readonly status: number;
  readonly type: string;
  readonly body: string;
})[] = [
  (echo) => ({
    status: 400,
    type: "application/json",
    body: JSON.stringify({ error: "weird", error_description: echo }),
  }),
  (echo) => ({ status: 500, type: "text/html", body: `<html>${echo} ${PROVIDER_TEXT}</html>` }),
  (echo) => ({
    status: 429,
    type: "application/json",
    body: JSON.stringify({ error: { code: echo, message: echo } }),
  }),
  (echo) => ({
    status: 200,
    type: "application/json",
    body: JSON.stringify({ access_token: "", note: echo }),
  }),
  (echo) => ({
    status: 400,
    type: "application/json",
    body: JSON.stringify({ error: "invalid_grant", hint: echo }),
  }),
];

let asked = 0;
let endpoint: Server;
let home: string;
let broker: Running;
const heard: string[] = [];

beforeAll(async () => {
  endpoint = createServer((request, response) => {
    let body = "";
    request.on("data", (data) => {
      body += data;
    });
    request.on("end", () => {
      const answer = answers[asked++ % answers.length]?.(decodeURIComponent(body));
      response.writeHead(answer?.status ?? 500, {
        "content-type": answer?.type ?? "",
        "x-echo": body.slice(0, 200),
      });
      response.end(answer?.body);
    });
  });
  await new Promise<void>((resolve) => endpoint.listen(0, "127.0.0.1", resolve));
  const { port } = endpoint.address() as AddressInfo;
  home = await mkdtemp(join(tmpdir(), "auth-broker-canary-"));
  const config = {
    providers: { "openai-codex": { tokenUrl: `http://127.0.0.1:${port}/token` } },
    refresh: { minInterval: "0s" },
    log: { level: "trace" },
  };
  await writeFile(join(home, "config.json"), JSON.stringify(config));
  broker = await start(process.execPath, [MAIN, "serve"], {
    env: { ...process.env, AUTH_BROKER_HOME: home },
  });
  await broker.line(/the broker serves/);
});

afterAll(async () => {
  await broker.kill();
  endpoint.close();
  await rm(home, { recursive: true, force: true });
});

/** Calls and keeps whatever came back, the error and its metadata included. */
async function call(service: keyof typeof SERVICES, method: string, request: Message): Promise<Message> {
  const Client = clientConstructor(SERVICES[service]);
  const socket = service === "profile" ? "admin" : "agent";
  const client = new Client(`unix:${join(home, "run", `${socket}.sock`)}`, credentials.createInsecure());
  try {
    return await new Promise((resolve) => {
      const unary = client[method] as unknown as (
        m: Message,
        done: (e: ServiceError | null, a: Message) => void,
      ) => void;
      unary.call(client, request, (error, answer) => {
        heard.push(JSON.stringify(error ?? answer), String(error?.message), String(error?.stack));
        for (const value of error?.metadata.get("grpc-status-details-bin") ?? [])
          heard.push(value.toString("latin1"));
        resolve(answer ?? {});
      });
    });
  } finally {
    client.close();
  }
}

test("no call, log line or error carries a refresh token out, nor a provider's text", async () => {
  const profile = "openai-codex:work";
  const oauth = { accessToken: ACCESS, refreshToken: REFRESH, idToken: ID_TOKEN, accountId: "acct-a" };
  await call("profile", "PutProfile", { profile, oauth });
  await call("profile", "PutProfile", {
    profile: "openai-codex:bad",
    oauth: { ...oauth, scopes: ["\u0000"] },
  });
  for (let i = 0; i < answers.length; i += 1) {
    await call("profile", "RefreshProfile", { profile });
    const { lease } = await call("credential", "AcquireCredential", { provider: "openai-codex" });
    const leaseId = String((lease as Message | undefined)?.leaseId ?? "none");
    const body = Buffer.from(`{"error":{"code":"${REFRESH}","message":"${PROVIDER_TEXT} ${ACCESS}"}}`);
    const providerResponse = { httpStatus: 418, headers: { "x-secret": REFRESH }, body };
    await call("credential", "ReportOutcome", { leaseId, providerResponse, acquireNext: true });
    await call("credential", "ReportOutcome", { leaseId: REFRESH, outcome: "OUTCOME_OK" });
  }
  for (const [service, method] of [
    ["profile", "GetProfile"],
    ["profile", "UpdateProfile"],
    ["profile", "ClearCooldown"],
  ] as const) {
    await call(service, method, { profile });
  }
  await call("profile", "ListProfiles", {});
  await call("status", "GetStatus", {});
  await call("status", "ExplainSelection", { provider: "openai-codex", profile: `openai-codex:${REFRESH}` });
  await call("profile", "DeleteProfile", { profile });

  expect(asked).toBeGreaterThanOrEqual(3);
  const said = [...heard, broker.stdout(), broker.stderr()]
    .join("\n")
    .replaceAll(`openai-codex:${REFRESH}`, "");
  expect(said).not.toContain(REFRESH);
  expect(said).not.toContain(REFRESH.slice(0, 16));
  expect(said).not.toContain(PROVIDER_TEXT);
  // An access token and an id token leave in the answer of an acquire and nowhere else.
  expect(broker.stdout() + broker.stderr()).not.toMatch(/at-FAKE-can|id-FAKE-can/);
});

test("outside the profile's own record nothing on the disk holds a token", async () => {
  const profile = "openai-codex:disk";
  await call("profile", "PutProfile", { profile, oauth: { accessToken: ACCESS, refreshToken: REFRESH } });
  await call("credential", "AcquireCredential", { provider: "openai-codex" });
  const names = await readdir(home, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const holders: string[] = [];
  for (const file of files) if (/-FAKE-canary/.test(await readFile(file, "latin1"))) holders.push(file);
  expect(holders.map((file) => file.slice(home.length + 1))).toEqual([
    expect.stringMatching(/^state\/profiles\//),
  ]);
});
