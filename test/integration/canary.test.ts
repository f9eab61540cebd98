import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials, type ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clientConstructor, type Message, SERVICES } from "../../src/rpc/schema.ts";
import { type Running, run, start } from "../support/process.mjs";

const REFRESH = "rt-FAKE-canary-0001";
const ACCESS = "at-FAKE-canary-0001";
const ID_TOKEN = "id-FAKE-canary-0001";
const PROVIDER_TEXT = "provider-text-canary";
const CODE = "code-FAKE-canary-0001";
const CLIENT_SECRET = "cs-FAKE-operator-0001";
/** What logins give. */
const GRANTED = {
  access_token: "at-FAKE-canary-login",
  refresh_token: "rt-FAKE-canary-login",
  id_token: "id-FAKE-canary-login",
  token_type: "Bearer",
  expires_in: 3600,
  note: PROVIDER_TEXT,
};
const MAIN = new URL("../../bin/auth-broker.js", import.meta.url).pathname;

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
      const isGrant = body.includes("code-FAKE-canary-good");
      const answer = isGrant
        ? { status: 200, type: "application/json", body: JSON.stringify(GRANTED) }
        : answers[asked++ % answers.length]?.(decodeURIComponent(body));
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
  const at = (path: string) => `http://127.0.0.1:${port}/${path}`;
  const urls = {
    tokenUrl: at("token"),
    authorizeUrl: at("authorize"),
    deviceUrl: at("device"),
    revokeUrl: at("revoke"),
  };
  const own = { type: "generic-oauth2", clientId: "c", clientSecret: CLIENT_SECRET, ...urls };
  const config = {
    providers: {
      "openai-codex": { tokenUrl: at("token") },
      "my-company": own,
      "my-machine": { ...own, grantType: "client_credentials" },
    },
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
  const socket = service === "profile" || service === "login" ? "admin" : "agent";
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

test("nothing on the disk holds a token", async () => {
  const profile = "openai-codex:disk";
  await call("profile", "PutProfile", { profile, oauth: { accessToken: ACCESS, refreshToken: REFRESH } });
  await call("credential", "AcquireCredential", { provider: "openai-codex" });
  const names = await readdir(home, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const holders: string[] = [];
  for (const file of files) if (/-FAKE-canary/.test(await contentOf(file))) holders.push(file);
  expect(files.length).toBeGreaterThan(3);
  expect(holders).toEqual([]);
});

/** A temporary file may be gone by now; then its content stands under another name. */
async function contentOf(file: string): Promise<string> {
  return readFile(file, "latin1").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    return "";
  });
}

/** One login whose code is brought by hand, to its end. */
async function paste(code: string): Promise<void> {
  const start = { provider: "my-company", label: "work", flow: "LOGIN_FLOW_PASTE" };
  const { login } = (await call("login", "StartLogin", start)) as { login: { loginId: string } };
  const { loginId } = login;
  await call("login", "SubmitLogin", { loginId, answer: code });
  await ended(loginId);
}

/** Keeps every state of a login up to the last. */
async function ended(loginId: string): Promise<void> {
  const Client = clientConstructor(SERVICES.login);
  const client = new Client(`unix:${join(home, "run", "admin.sock")}`, credentials.createInsecure());
  try {
    const states = client.WatchLogin?.({ loginId }) as unknown as AsyncIterable<Message>;
    for await (const state of states) heard.push(JSON.stringify(state));
  } finally {
    client.close();
  }
}

test("no login by call or command says a code, a token, the client's secret or a provider's text", async () => {
  heard.length = 0;
  for (const before = asked; asked < before + answers.length; ) await paste(`${CODE}-${asked}`);
  await paste("code-FAKE-canary-good");
  await call("login", "StartLogin", { provider: "my-company", flow: "LOGIN_FLOW_DEVICE" });
  await call("login", "StartLogin", { provider: "my-machine", label: "m" });
  await call("login", "SubmitLogin", { loginId: "none", answer: CODE });
  const env = { ...process.env, AUTH_BROKER_HOME: home };
  const shown: string[] = [];
  for (const [args, input] of [
    ["login my-company --label work --paste", `${CODE}-cli\n`],
    ["login my-company --label work --paste --json", "code-FAKE-canary-good-cli\n"],
    ["login my-company --device", ""],
    ["login my-machine --json", ""],
    ["login openrouter", "sk-FAKE-canary-key\n"],
    ["logout my-company:work --yes --json", ""],
    ["profiles list --json", ""],
  ] as const) {
    const { stdout, stderr } = await run(process.execPath, [MAIN, ...args.split(" ")], { env, input });
    shown.push(stdout, stderr);
  }
  const said = [...heard, ...shown, broker.stdout(), broker.stderr()].join("\n");
  expect(said).toContain("LOGIN_STATE_DONE");
  for (const secret of [CODE, "FAKE-canary-login", "code-FAKE", CLIENT_SECRET, "sk-FAKE", PROVIDER_TEXT]) {
    expect(said).not.toContain(secret);
  }
});
