import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clientConstructor, type Message, messageType, SERVICES } from "../../src/rpc/schema.ts";
import { type Cli, emptyCliIn, MAIN } from "../support/cli.ts";
import { type Finished, type Running, start } from "../support/process.mjs";

/** What the broker holds. The first may leave with a credential, the others never. */
const [ACCESS, REFRESH, ID_TOKEN] = [
  "at-FAKE-canary-a1b2c3",
  "rt-FAKE-canary-d4e5f6",
  "id-FAKE-canary-g7h8i9",
];
/** A token where none belongs: in a field of a call, in a wrong file, in a provider's answer. */
const WRONG = "rt-FAKE-astray-j1k2l3";
const MARKS = /canary|astray/;
const PROFILE = "openai-codex:work";

/** How a token endpoint, or anything between, can repeat what it was sent. */
const ECHOES: readonly ((echo: string, response: ServerResponse) => void)[] = [
  (echo, r) => r.writeHead(400, { "content-type": "application/json" }).end(JSON.stringify({ error: echo })),
  (echo, r) =>
    r
      .writeHead(401, { "content-type": "application/json" })
      .end(JSON.stringify({ error: { code: echo, type: echo, message: echo, param: [echo] } })),
  (echo, r) =>
    r.writeHead(403, { "content-type": "text/html" }).end(`<html><title>${echo}</title>${WRONG}</html>`),
  (echo, r) => r.writeHead(429, { "retry-after": echo, "www-authenticate": `Bearer ${WRONG}` }).end(echo),
  (echo, r) => r.writeHead(500, echo.replace(/\W/g, "_").slice(0, 40)).end(),
  (echo, r) => r.writeHead(302, { location: `http://127.0.0.1:1/${encodeURIComponent(echo)}` }).end(),
  (_echo, r) =>
    r.writeHead(200, { "content-type": "application/json" }).end(`{"access_token": 7, "x": "${WRONG}"`),
  (echo, r) =>
    r.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ error_description: echo })),
  (_echo, r) => r.destroy(),
];

let cli: Cli;
let daemon: Running;
let asked = 0;
let endpoint: ReturnType<typeof createServer>;
/** Answers, errors and output by what they came from. */
const heard = new Map<string, string[]>();
const keep = (from: string, ...texts: string[]) => heard.set(from, [...(heard.get(from) ?? []), ...texts]);

beforeAll(async () => {
  endpoint = createServer((request: IncomingMessage, response) => {
    let body = "";
    request.on("data", (data) => {
      body += data;
    });
    request.on("end", () => ECHOES[asked++ % ECHOES.length]?.(decodeURIComponent(body), response));
  });
  await new Promise<void>((resolve) => endpoint.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}`;
  // All tests share one home.
  cli = await emptyCliIn(await mkdtemp(join(tmpdir(), "secrets-")));
  const urls = { tokenUrl: url, authorizeUrl: url, deviceUrl: url, revokeUrl: url, usageUrl: url };
  const company = { type: "generic-oauth2", clientId: "c", ...urls };
  const config = {
    providers: { "openai-codex": { tokenUrl: url, baseUrl: url }, company },
    refresh: { minInterval: "0s" },
    log: { level: "trace" },
  };
  await writeFile(join(cli.home, "config.json"), JSON.stringify(config));
  await mkdir(join(cli.user, ".codex"));
  const tokens = { access_token: WRONG, refresh_token: WRONG, id_token: WRONG, account_id: "acct-x" };
  await writeFile(join(cli.user, ".codex", "auth.json"), JSON.stringify({ tokens, last_refresh: WRONG }));
  daemon = await start(process.execPath, [MAIN, "serve", "--json"], { env: cli.env });
  await daemon.line(/the broker serves/);
  const login = { accessToken: ACCESS, refreshToken: REFRESH, idToken: ID_TOKEN, accountId: "acct-a" };
  const put = await cli(`profiles add ${PROFILE} --from-file -`, { input: JSON.stringify(login) });
  if (put.code !== 0) await ask("profile", "PutProfile", { profile: PROFILE, oauth: login });
});

afterAll(async () => {
  await daemon?.kill("SIGKILL");
  endpoint?.close();
  await rm(cli.home, { recursive: true, force: true });
});

/** Makes one call and keeps whatever comes back, errors and their details included. */
async function ask(service: keyof typeof SERVICES, method: string, request: Message): Promise<void> {
  const Constructor = clientConstructor(SERVICES[service]);
  const definition = Constructor.service[method];
  const client = new Constructor(`unix:${join(cli.home, "run", "admin.sock")}`, credentials.createInsecure());
  const told = (error: ServiceError | null, answer?: Message) => {
    const details = (error?.metadata?.get("grpc-status-details-bin") ?? []).map((d) => d.toString("latin1"));
    keep(`rpc ${service}.${method}`, JSON.stringify(answer ?? null), String(error?.stack), ...details);
  };
  try {
    await new Promise<void>((resolve) => {
      const call = (client as Client & Record<string, CallMethod>)[method];
      if (definition?.responseStream !== true) {
        call?.call(client, request, (error: ServiceError | null, answer?: Message) => {
          told(error, answer);
          resolve();
        });
        return;
      }
      const stream = definition.requestStream ? call?.call(client) : call?.call(client, request);
      stream?.on("data", (answer: Message) => {
        told(null, answer);
        stream.cancel();
      });
      stream?.on("error", (error: ServiceError) => {
        told(error);
        resolve();
      });
      stream?.on("end", resolve);
      if (definition.requestStream) stream?.write(request);
      else setTimeout(() => stream?.cancel(), 500);
    });
  } finally {
    client.close();
  }
}

type CallMethod = (...args: unknown[]) => {
  on(event: string, listener: (value: never) => void): void;
  cancel(): void;
  write(message: Message): void;
};

/** A message of a type with the stray token in every text of it. */
function astray(typeName: string, depth = 0): Message {
  const message: Message = {};
  for (const field of messageType(typeName).fieldsArray) {
    const type = field.resolve().resolvedType?.fullName.slice(1);
    if (type?.startsWith("google.")) continue;
    const one = field.type === "string" ? WRONG : field.type === "bytes" ? Buffer.from(WRONG) : undefined;
    const nested = type !== undefined && "fields" in (field.resolvedType ?? {}) && depth < 3;
    const value = nested ? astray(type, depth + 1) : one;
    if (value !== undefined) message[field.name] = field.repeated ? [value] : value;
  }
  return message;
}

describe("with a token in every field where none belongs, and at a token endpoint that repeats all,", () => {
  const calls = Object.entries(SERVICES).flatMap(([service, name]) =>
    Object.values(clientConstructor(name).service).map(
      ({ path }) => [service as keyof typeof SERVICES, path.slice(path.lastIndexOf("/") + 1)] as const,
    ),
  );

  test.each(calls)("%s.%s is called", async (service, method) => {
    const prefix = SERVICES[service].slice(0, SERVICES[service].lastIndexOf(".") + 1);
    const typeName =
      service === "reflection" || service === "reflectionAlpha"
        ? `${prefix}ServerReflectionRequest`
        : service === "health"
          ? `${prefix}Health${method === "List" ? "List" : "Check"}Request`
          : `${prefix}${method}Request`;
    const full = astray(typeName);
    const right = { profile: PROFILE, provider: "openai-codex" };
    const fields = messageType(typeName).fields;
    const fitting = Object.fromEntries(Object.entries(right).filter(([name]) => name in fields));
    for (const request of [full, { ...full, ...fitting }, fitting]) {
      // A profile that is gone would try nothing any more.
      if (/^(?:Delete|Logout|Return)/.test(method) && "profile" in request && request.profile === PROFILE)
        continue;
      await ask(service, method, request);
    }
    expect(heard.get(`rpc ${service}.${method}`)?.length).toBeGreaterThan(0);
  });

  test.each(ECHOES.map((_echo, i) => i))("a refresh, a login and a report are made, echo %i", async () => {
    await ask("profile", "RefreshProfile", { profile: PROFILE });
    await ask("credential", "AcquireCredential", { provider: "openai-codex" });
    for (const flow of ["LOGIN_FLOW_PASTE", "LOGIN_FLOW_DEVICE"]) {
      await ask("login", "StartLogin", { provider: "company", label: "x", flow });
    }
    await cli("login company --paste --json", { input: `${WRONG}\n` });
    expect(asked).toBeGreaterThan(0);
  });

  /** Each command, with what it is given. Those that only other programs' tests can run say so. */
  const COMMANDS: Readonly<Record<string, readonly (string | readonly [string, string])[]>> = {
    serve: ["serve"],
    status: ["status", "status --json"],
    profiles: [
      "profiles",
      "profiles list --json",
      `profiles show ${PROFILE}`,
      `profiles show ${WRONG}`,
      [
        "profiles add company:y --from-file -",
        `{"accessToken":"${WRONG}","refreshToken":"${WRONG}","junk":"${WRONG}"`,
      ],
      ["profiles add company:z --api-key", WRONG],
      `profiles order openai-codex ${PROFILE}`,
      `profiles refresh ${PROFILE}`,
      `profiles clear-cooldown ${PROFILE}`,
      `profiles disable ${PROFILE}`,
      `profiles enable ${PROFILE}`,
    ],
    providers: ["providers", "providers --json"],
    login: [
      ["login company --paste", `http://127.0.0.1/?code=${WRONG}&state=${WRONG}`],
      ["login openrouter", WRONG],
    ],
    logout: ["logout openrouter:default --yes"],
    usage: ["usage", "usage --json"],
    import: ["import --dry-run", "import --dry-run --json", "import codex"],
    acquire: ["acquire openai-codex", "acquire company --json"],
    token: ["token company"],
    report: [
      [`report ${WRONG} --response -`, `HTTP/1.1 429 x\r\nx-a: ${WRONG}\r\n\r\n${WRONG}`],
      "report x RATE_LIMIT",
    ],
    explain: ["explain openai-codex", `explain openai-codex --profile ${PROFILE} --json`],
    "explain-response": [["explain-response openai-codex -", `HTTP/1.1 429 x\r\n\r\n{"error":{"code":"c"}}`]],
    watch: [],
    run: ["run company -- true"],
    codex: [],
    openclaw: ["openclaw --help"],
    audit: ["audit --last 0", "audit --json --last 0", "audit verify"],
    key: ["key show", "key show --json", ["key restore", WRONG]],
    lock: ["lock"],
    unlock: ["unlock"],
    doctor: ["doctor", "doctor --json"],
    config: ["config check", "config paths", "config schema"],
  };

  test("every command that there is stands in the table", async () => {
    const { stdout } = await cli("--help");
    const [, listed = ""] = stdout.split("Commands:");
    const names = [...(listed.split("\n\n")[0] ?? "").matchAll(/^ {2}([a-z-]+)/gm)].map(([, name]) => name);
    expect(Object.keys(COMMANDS).sort()).toEqual(names.filter((name) => name !== "help").sort());
  });

  test.each(Object.keys(COMMANDS))("%s is run", async (name) => {
    for (const entry of COMMANDS[name] ?? []) {
      const [args, input] = typeof entry === "string" ? [entry, ""] : entry;
      const done: Finished = await cli(args, { input });
      // What a caller wrote on its own command line may be told back to it.
      keep(
        `command ${name}`,
        ...[done.stdout, done.stderr].map((t) => (args.includes(WRONG) ? t.replaceAll(WRONG, "") : t)),
      );
    }
  });
});

describe("afterwards", () => {
  test("no answer, error or output holds a refresh token, and an access or id token only what hands one out", () => {
    const handOut = /^rpc credential\.(?:Acquire|Watch|Report)/;
    for (const [from, texts] of heard) {
      const text = texts.join("\n");
      expect(text.includes(REFRESH.slice(0, 14)), `${from}: refresh token`).toBe(false);
      const isGiven = handOut.test(from);
      expect(text.includes(ID_TOKEN.slice(0, 14)) && !isGiven, `${from}: id token`).toBe(false);
      expect(text.includes(ACCESS.slice(0, 14)) && !isGiven, `${from}: access token`).toBe(false);
      // Where the stray one was put as a key, these give it out, as they should.
      const isGivenOut = /^command (?:acquire|token)$/.test(from);
      if (from.startsWith("command ") && !isGivenOut) expect(text, from).not.toContain(WRONG);
    }
    expect([...heard.keys()].length).toBeGreaterThan(40);
  });

  test("the log, at trace level, holds no part of any, nor what came at a wrong place", () => {
    const said = `${daemon.stdout()}${daemon.stderr()}`;
    expect(said).toContain("refresh brought no new login");
    expect(said.split("\n").filter((line) => MARKS.test(line))).toEqual([]);
  });

  test("no file of the broker's but the profiles' own records does, the audit log least of all", async () => {
    await daemon.kill("SIGTERM");
    const holders: string[] = [];
    const files = readdirSync(cli.home, { recursive: true, encoding: "utf8" }).filter(
      (name) => !name.startsWith("user/") && statSync(join(cli.home, name)).isFile(),
    );
    for (const name of files)
      if (MARKS.test(readFileSync(join(cli.home, name), "latin1"))) holders.push(name);
    expect(files.some((name) => name.startsWith("audit/"))).toBe(true);
    for (const name of holders) expect(name).toMatch(/^state\/profiles\//);
  });

  test("nothing in /proc of a broker that holds them does, nor in its working directory", async () => {
    if (process.platform !== "linux") return console.warn("SKIPPED: there is no /proc here");
    const again = await start(process.execPath, [MAIN, "serve"], { env: cli.env, cwd: cli.home });
    await again.line(/the broker serves/);
    const of = (entry: string) => readFileSync(`/proc/${again.pid}/${entry}`, "latin1");
    try {
      for (const entry of ["cmdline", "environ", "comm", "maps", "status", "stat", "limits", "mountinfo"]) {
        expect(MARKS.test(of(entry).replaceAll(cli.home, "")), entry).toBe(false);
      }
      const open = readdirSync(`/proc/${again.pid}/fd`).map((fd) =>
        readlinkSync(`/proc/${again.pid}/fd/${fd}`),
      );
      expect(open.filter((path) => MARKS.test(path.replaceAll(cli.home, "")))).toEqual([]);
      expect(readdirSync(cli.home).filter((name) => /^core|heapsnapshot|report\./.test(name))).toEqual([]);
    } finally {
      await again.kill("SIGKILL");
    }
  });
});
