import { invalid } from "./command-error.ts";
import { parseObject, readInput, textOf } from "./input.ts";

/** More of a body is never looked at. */
const BODY_BYTES = 64 * 1024;
/** Of a `ProviderResponse`. */
const FIELDS = ["source", "httpStatus", "headers", "body", "transportError", "receiveTime"];
const STATUS_LINE = /^HTTP\/\d(?:\.\d)? (\d{3})(?: .*)?$/;

/**
 * A provider's answer as the twin of a `ProviderResponse`, from a file or `-`: either its JSON or an
 * HTTP response as text. Rejects with `CommandError`.
 */
export async function readResponse(path: string): Promise<object> {
  const name = path === "-" ? "standard input" : path;
  const bytes = await readInput(path);
  if (bytes.subarray(0, 5).toString("latin1") === "HTTP/") return httpResponse(bytes, name);
  return jsonResponse(textOf(bytes, name), name);
}

function jsonResponse(text: string, name: string): object {
  const { bodyText, ...response } = parseObject(text, name);
  if (isBareBody(response)) {
    throw invalid(
      `${name} looks like a bare body`,
      'save it with curl -i, or wrap it as {"httpStatus":429,"bodyText":"…"}',
    );
  }
  if (bodyText === undefined) return { ...response, ...cutBase64(response.body) };
  if (typeof bodyText !== "string" || response.body !== undefined) {
    throw invalid('"bodyText" must be a text and takes the place of "body"');
  }
  return { ...response, body: Buffer.from(bodyText).subarray(0, BODY_BYTES) };
}

/** Nothing that every answer has: what providers send as JSON, without the status and headers around it. */
function isBareBody(response: object): boolean {
  return !FIELDS.some((field) => field in response) && Object.keys(response).length > 0;
}

/** A long body is cut here, since a message of that size would be refused. */
function cutBase64(body: unknown): object {
  const most = (BODY_BYTES / 3) * 4;
  return typeof body === "string" && body.length > most ? { body: body.slice(0, most - (most % 4)) } : {};
}

/** The last response of the text: before it may stand a proxy's, or `100 Continue`. */
function httpResponse(bytes: Buffer, name: string): object {
  const { head, rest } = splitHead(bytes);
  if (rest.subarray(0, 5).toString("latin1") === "HTTP/") return httpResponse(rest, name);
  const [statusLine = "", ...lines] = head.split(/\r?\n/);
  const status = STATUS_LINE.exec(statusLine)?.[1];
  if (status === undefined) throw invalid(`${name} does not begin with an HTTP status line`);
  return { httpStatus: Number(status), headers: headersOf(lines), body: rest.subarray(0, BODY_BYTES) };
}

function splitHead(bytes: Buffer): { readonly head: string; readonly rest: Buffer } {
  const text = bytes.toString("latin1");
  const end = /\r?\n\r?\n/.exec(text);
  if (end === null) return { head: text.trimEnd(), rest: Buffer.alloc(0) };
  return { head: text.slice(0, end.index), rest: bytes.subarray(end.index + end[0].length) };
}

/** A header that comes several times is one list (RFC 9110 section 5.3). */
function headersOf(lines: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const name = line.slice(0, colon).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
  }
  return headers;
}
