import type { Claims } from "../domain/jwt.ts";
import type { Answered } from "./exchange.ts";

export function isOk({ status }: Answered): boolean {
  return status >= 200 && status < 300;
}

/** The JSON object in an answer, if there is one. */
export function objectIn({ body }: Answered): Claims | undefined {
  try {
    const content: unknown = JSON.parse(body);
    return typeof content === "object" && content !== null ? (content as Claims) : undefined;
  } catch {
    return undefined;
  }
}

/** An answer in the form that the OAuth library reads. */
export function responseOf({ status, headers, body }: Answered): Response {
  const contentType = headers["content-type"] ?? "application/json";
  return new Response(body, { status, headers: { "content-type": contentType } });
}
