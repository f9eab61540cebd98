import { bodyBytes, bodyOf, isResponse, plainHeaders } from "./answer.ts";
import type { HeadersLike, ProviderResponse } from "./types.ts";

/** Codes of errors that mean that the provider was not reached or hung up. */
const TRANSPORT_CODE =
  /^(ECONN\w+|EPIPE|ETIMEDOUT|ESOCKETTIMEDOUT|ENOTFOUND|EAI_\w+|EHOST\w+|ENET\w+|UND_ERR_\w+|ERR_HTTP2_\w+|ERR_STREAM_PREMATURE_CLOSE)$/;
const SDK_CONNECTION_ERRORS = new Set(["APIConnectionError", "APIConnectionTimeoutError"]);
const MOST_CAUSES = 5;

/**
 * What an error of `fetch` or of a provider's SDK tells about the provider: an answer (`status`, or
 * `response` as axios, gaxios and ky have it) or a broken connection. Undefined: nothing, it is
 * somebody's bug.
 */
export async function answerOf(error: unknown): Promise<ProviderResponse | undefined> {
  if (!isObject(error)) return undefined;
  const { response } = error;
  if (isResponse(response)) return answerOfResponse(response);
  if (isObject(response)) {
    const answer = answerOfFields(response, response.data ?? response.body);
    if (answer !== undefined) return answer;
  }
  const answer = answerOfFields(error, vendorBody(error));
  if (answer !== undefined) return answer;
  const transportError = transportErrorOf(error);
  return transportError === undefined ? undefined : { transportError };
}

/** A whole answer, of which `response` stays readable. */
export async function answerOfResponse(response: Response): Promise<ProviderResponse> {
  // `Response.error()` and opaque answers have no status.
  if (response.status === 0) return { transportError: "network error" };
  return {
    httpStatus: response.status,
    headers: plainHeaders(response.headers),
    body: await bodyOf(response),
  };
}

/** True for the error of an `AbortController`: somebody decided to stop. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

function answerOfFields(from: Fields, body: unknown): ProviderResponse | undefined {
  const status = from.status ?? from.statusCode;
  if (typeof status !== "number" || !Number.isInteger(status) || status < 100 || status > 599)
    return undefined;
  const { headers } = from;
  return {
    httpStatus: status,
    headers: isObject(headers) ? plainHeaders(headers as HeadersLike) : {},
    body: bodyBytes(body),
  };
}

/** The OpenAI SDK takes the error out of `{"error": …}`, the form that the broker's rules know. */
function vendorBody({ error, body, responseBody }: Fields): unknown {
  if (isObject(error) && !("error" in error)) return { error };
  return error ?? body ?? responseBody;
}

function transportErrorOf(error: Fields): string | undefined {
  if (error.name === "AbortError" || error.name === "TimeoutError") return String(error.name);
  const kind = error.constructor.name;
  // The OpenAI and Anthropic SDKs have no code for it, and for a timeout no cause either.
  if (SDK_CONNECTION_ERRORS.has(kind)) return kind;
  let at: unknown = error;
  for (let depth = 0; depth < MOST_CAUSES && isObject(at); depth += 1) {
    if (typeof at.code === "string" && TRANSPORT_CODE.test(at.code)) return at.code;
    at = at.cause;
  }
  return undefined;
}

type Fields = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}
