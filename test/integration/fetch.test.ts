import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createFetch, NotSentError } from "../../src/provider/fetch.ts";

const HOST = "login.example.test";
const open: (Server | HttpServer)[] = [];
const sockets = new Set<Socket>();
let directory: string;
let caFile: string;
let keyFile: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "fetch-"));
  caFile = join(directory, "cert.pem");
  keyFile = join(directory, "key.pem");
  const names = `subjectAltName=DNS:${HOST},IP:127.0.0.1`;
  const request = [
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-days",
    "2",
    "-subj",
    "/CN=test",
    "-addext",
    names,
  ];
  execFileSync("openssl", [...request, "-keyout", keyFile, "-out", caFile], { stdio: "ignore" });
});
afterAll(() => rmSync(directory, { recursive: true }));

afterEach(() => {
  for (const server of open.splice(0)) server.close();
  for (const socket of sockets) socket.destroy();
  sockets.clear();
});

async function listen(server: Server | HttpServer): Promise<number> {
  server.on("connection", (socket: Socket) => sockets.add(socket));
  server.listen(0, "127.0.0.1");
  open.push(server);
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

const tlsServer = () =>
  listen(
    createHttpsServer({ key: readFileSync(keyFile), cert: readFileSync(caFile) }, (request, response) => {
      if (request.url === "/reset") request.socket.destroy();
      else response.end("hello");
    }),
  );

/** A proxy that leads every CONNECT to one port of this machine, or refuses it. */
async function proxyTo(port: number | undefined) {
  const targets: (string | undefined)[] = [];
  const server = createHttpServer();
  server.on("connect", (request, client: Socket) => {
    targets.push(request.url);
    if (port === undefined) {
      client.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
      return;
    }
    const upstream = connect(port, "127.0.0.1", () => {
      client.write("HTTP/1.1 200 OK\r\n\r\n");
      upstream.pipe(client).pipe(upstream);
    });
    for (const socket of [client, upstream]) socket.on("error", () => {});
    sockets.add(upstream);
  });
  return { targets, proxy: `http://127.0.0.1:${await listen(server)}` };
}

const post = { method: "POST", body: "x" };

async function failureOf(attempt: Promise<Response>): Promise<unknown> {
  return await attempt.then(
    () => undefined,
    (error: unknown) => error,
  );
}

const notSent = (code: unknown) => expect.objectContaining({ name: "NotSentError", code });

describe("certificates", () => {
  test("of nobody known are refused before anything is sent", async () => {
    const fetch = createFetch({ connectTimeoutMs: 10_000 });
    const failure = await failureOf(fetch(`https://127.0.0.1:${await tlsServer()}/`, post));
    expect(failure).toEqual(notSent("DEPTH_ZERO_SELF_SIGNED_CERT"));
  });

  test("of the operator's own file are trusted", async () => {
    const fetch = createFetch({ connectTimeoutMs: 10_000, caFile });
    const response = await fetch(`https://127.0.0.1:${await tlsServer()}/`, post);
    expect(await response.text()).toBe("hello");
  });

  test("in a file that is not there stop the request", async () => {
    const fetch = createFetch({ connectTimeoutMs: 10_000, caFile: join(directory, "none.pem") });
    expect(await failureOf(fetch("https://127.0.0.1:1/", post))).toEqual(notSent("ENOENT"));
  });
});

describe("a server that accepts the connection and never begins TLS", () => {
  test("runs into the connect deadline: not sent", async () => {
    const port = await listen(createServer());
    const fetch = createFetch({ connectTimeoutMs: 50 });
    expect(await failureOf(fetch(`https://127.0.0.1:${port}/`, post))).toEqual(
      notSent("UND_ERR_CONNECT_TIMEOUT"),
    );
  });

  test("can be given up: not sent", async () => {
    const server = createServer();
    const port = await listen(server);
    const giveUp = new AbortController();
    server.once("connection", () => giveUp.abort());
    const fetch = createFetch({ connectTimeoutMs: 10_000 });
    const attempt = fetch(`https://127.0.0.1:${port}/`, { ...post, signal: giveUp.signal });
    expect(await failureOf(attempt)).toEqual(notSent("aborted"));
  });
});

describe("through a proxy", () => {
  test("the request goes in a tunnel of its own each time", async () => {
    const { proxy, targets } = await proxyTo(await tlsServer());
    const fetch = createFetch({ connectTimeoutMs: 10_000, caFile, proxy });
    for (let i = 0; i < 2; i++) {
      const response = await fetch(`https://${HOST}/`, post);
      expect(await response.text()).toBe("hello");
    }
    expect(targets).toEqual([`${HOST}:443`, `${HOST}:443`]);
  });

  test("that refuses the tunnel nothing is sent", async () => {
    const { proxy } = await proxyTo(undefined);
    const fetch = createFetch({ connectTimeoutMs: 10_000, caFile, proxy });
    expect(await failureOf(fetch(`https://${HOST}/`, post))).toEqual(notSent(expect.any(String)));
  });

  test("that leads to somebody else nothing is sent", async () => {
    const { proxy } = await proxyTo(await tlsServer());
    const fetch = createFetch({ connectTimeoutMs: 10_000, proxy });
    expect(await failureOf(fetch(`https://${HOST}/`, post))).toEqual(notSent("DEPTH_ZERO_SELF_SIGNED_CERT"));
  });

  test("a connection that breaks after the tunnel was up may have carried the request", async () => {
    const { proxy } = await proxyTo(await tlsServer());
    const fetch = createFetch({ connectTimeoutMs: 10_000, caFile, proxy });
    const failure = await failureOf(fetch(`https://${HOST}/reset`, post));
    expect(failure).toBeInstanceOf(Error);
    expect(failure).not.toBeInstanceOf(NotSentError);
  });

  test("loopback is never asked for", async () => {
    const { proxy, targets } = await proxyTo(undefined);
    const fetch = createFetch({ connectTimeoutMs: 10_000, caFile, proxy });
    const response = await fetch(`https://127.0.0.1:${await tlsServer()}/`, post);
    expect(await response.text()).toBe("hello");
    expect(targets).toEqual([]);
  });
});
