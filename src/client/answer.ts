import type { HeadersLike } from "./types.ts";

/** More of a body is cut off by the broker anyway. */
const LONGEST_BODY = 64 * 1024;
/** What the broker takes; headers beyond it say nothing about limits. */
const LONGEST_HEADER = 8 * 1024;
const LONGEST_NAME = 256;
const MOST_HEADERS = 128;
/** An error page that trickles in must not keep its reader waiting. */
const BODY_WITHIN_MS = 2_000;
/** Headers that are secrets of the caller's conversation with the provider. */
const PRIVATE = new Set(["set-cookie", "cookie", "authorization"]);

/** Headers as the broker takes them: lower case, one text each, without cookies. */
export function plainHeaders(headers: HeadersLike = {}): Record<string, string> {
  const plain: Record<string, string> = {};
  const entries = Symbol.iterator in headers ? headers : Object.entries(headers);
  let left = MOST_HEADERS;
  for (const [key, value] of entries) {
    const name = key.toLowerCase();
    const text = Array.isArray(value) ? value.join(", ") : String(value ?? "");
    if (PRIVATE.has(name) || text === "" || name.length > LONGEST_NAME || text.length > LONGEST_HEADER)
      continue;
    if (left === 0) break;
    plain[name] = text;
    left -= 1;
  }
  return plain;
}

/** The first 64 KiB of a body: bytes, text, or JSON of anything else. */
export function bodyBytes(body: unknown): Uint8Array {
  if (body === undefined || body === null) return new Uint8Array();
  if (body instanceof Uint8Array) return body.subarray(0, LONGEST_BODY);
  const text = typeof body === "string" ? body : (JSON.stringify(body) ?? "");
  return Buffer.from(text.slice(0, LONGEST_BODY)).subarray(0, LONGEST_BODY);
}

/** True for the `Response` of any `fetch`. */
export function isResponse(value: unknown): value is Response {
  if (typeof value !== "object" || value === null) return false;
  return "status" in value && "headers" in value && "clone" in value && typeof value.clone === "function";
}

/**
 * The first 64 KiB of a response's body, read from a clone, so that the response stays as it is.
 * Empty when somebody has begun to read it. Never rejects.
 */
export async function bodyOf(response: Response): Promise<Uint8Array> {
  try {
    const reader = response.clone().body?.getReader();
    return reader === undefined ? new Uint8Array() : await firstBytes(reader);
  } catch {
    // A body that somebody reads cannot be cloned.
    return new Uint8Array();
  }
}

async function firstBytes(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array> {
  // Of a clone `cancel` resolves only when the original is cancelled too, so nobody waits for it.
  const stop = () => void reader.cancel().catch(() => {});
  const timer = setTimeout(stop, BODY_WITHIN_MS);
  const parts: Uint8Array[] = [];
  try {
    for (let length = 0; length < LONGEST_BODY; ) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      length += value.length;
    }
  } catch {
    // The part that came is better than nothing.
  } finally {
    clearTimeout(timer);
    stop();
  }
  return Buffer.concat(parts).subarray(0, LONGEST_BODY);
}
