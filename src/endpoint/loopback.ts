import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Redirect } from "../domain/login.ts";
import { EndpointError } from "./error.ts";
import { type PageContent, pageHtml } from "./loopback-page.ts";

/** Nobody but one browser comes here, with one short request. */
const MOST_CONNECTIONS = 16;
const REQUEST_MS = 5_000;
/** Node looks for late requests so often; by itself every 30 s. */
const CHECK_MS = 1_000;

type Page = Omit<PageContent, "title">;

/** A listener that waits for the browser of one login. */
export interface Loopback {
  readonly port: number;
  /** Ports that were wanted and belong to somebody else. */
  readonly busyPorts: readonly number[];
  close(): Promise<void>;
}

/**
 * Opens a listener on 127.0.0.1 for the browser that comes back from a login, at the first of the
 * redirect's ports that is free. `onAnswer` gets the parameters it brings and gives the page to show, or
 * undefined if they belong to no login of ours. Requests that name another host (rebinding) or path are
 * refused unread. Undefined: all ports are taken. Rejects with `EndpointError`.
 */
export async function openLoopback(
  redirect: Redirect,
  onAnswer: (answer: URLSearchParams) => Promise<Page | undefined>,
): Promise<Loopback | undefined> {
  const busyPorts: number[] = [];
  for (const wanted of redirect.ports.length === 0 ? [0] : redirect.ports) {
    const server = createServer({
      requestTimeout: REQUEST_MS,
      headersTimeout: REQUEST_MS,
      connectionsCheckingInterval: CHECK_MS,
    });
    giveUpSilent(server);
    if (await isBusy(server, wanted)) {
      busyPorts.push(wanted);
      continue;
    }
    const { port } = server.address() as AddressInfo;
    server.on("request", (request, response) => {
      handle(request, redirect.path, port, onAnswer).then(
        (answer) => send(response, answer),
        () => send(response, refusal(500, "Something went wrong; the broker's log has the cause.")),
      );
    });
    return { port, busyPorts, close: () => shut(server) };
  }
  return undefined;
}

/** Whoever connects and says nothing must not keep the browser out: at the limit the oldest of them goes. */
function giveUpSilent(server: Server): void {
  const open = new Set<Socket>();
  const silent = new Set<Socket>();
  server.on("connection", (socket) => {
    if (open.size >= MOST_CONNECTIONS) {
      const [oldest = socket] = silent;
      open.delete(oldest);
      silent.delete(oldest);
      oldest.destroy();
      if (oldest === socket) return;
    }
    open.add(socket);
    silent.add(socket);
    socket.once("close", () => {
      open.delete(socket);
      silent.delete(socket);
    });
  });
  server.on("request", ({ socket }) => void silent.delete(socket));
}

interface Answer {
  readonly status: number;
  readonly html: string;
}

async function handle(
  request: IncomingMessage,
  path: string,
  port: number,
  onAnswer: (answer: URLSearchParams) => Promise<Page | undefined>,
): Promise<Answer> {
  const hosts = [`127.0.0.1:${port}`, `localhost:${port}`];
  if (!hosts.includes(request.headers.host ?? ""))
    return refusal(421, "This is not the host that was meant.");
  if (request.method !== "GET") return refusal(405, "Nothing is taken here this way.");
  const target = request.url ?? "";
  if (!URL.canParse(target, `http://${hosts[0]}`)) return refusal(400, "This is no address.");
  const url = new URL(target, `http://${hosts[0]}`);
  if (url.pathname !== path) return refusal(404, "There is nothing here.");
  const page = await onAnswer(url.searchParams);
  if (page === undefined) return refusal(400, "This belongs to no login that is under way here.");
  const title = page.isGood ? "Logged in" : "Not logged in";
  return { status: page.isGood ? 200 : 400, html: pageHtml({ ...page, title }) };
}

function refusal(status: number, text: string): Answer {
  return { status, html: pageHtml({ isGood: false, title: "Not taken", text }) };
}

function send(response: ServerResponse, { status, html }: Answer): void {
  response.writeHead(status, {
    "content-type": "text/html; charset=utf-8",
    "content-length": Buffer.byteLength(html),
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    connection: "close",
  });
  response.end(html);
}

async function isBusy(server: Server, port: number): Promise<boolean> {
  try {
    server.listen({ host: "127.0.0.1", port, exclusive: true });
    await once(server, "listening");
    return false;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE" || code === "EACCES") return true;
    throw new EndpointError(78, `cannot listen on 127.0.0.1:${port} (${code ?? "unknown"})`, {
      cause: error,
    });
  }
}

function shut(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
