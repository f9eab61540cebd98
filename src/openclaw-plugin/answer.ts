import type { FailedAnswer } from "../client/index.ts";
import type { AssistantMessage, HttpHead } from "./host.ts";

/** `429: {"error":…}`, as OpenClaw writes a refusal. */
const STATUS = /^(?:HTTP )?([1-5]\d\d)\b[:\s]*/i;
const STATUS_CODE = /^[1-5]\d\d$/;
/** OpenClaw adds the header to the text. */
const RETRY_AFTER = /; Retry-After: (\d+) seconds$/;

/**
 * What an error of OpenClaw's stream says of the provider's answer. OpenClaw keeps status, code, text and
 * the first 500 characters of the body of most answers, and of the headers only `Retry-After`.
 */
export function refusalOf(
  error: AssistantMessage,
  head: HttpHead | undefined,
  hasBegun: boolean,
): FailedAnswer {
  const { errorMessage = "", errorCode, errorBody } = error;
  const text = errorMessage.replace(RETRY_AFTER, "");
  const said = STATUS.exec(text)?.[1] ?? (STATUS_CODE.test(errorCode ?? "") ? errorCode : undefined);
  // A good status and an error: the stream broke off or brought a refusal.
  const status = head !== undefined && head.status >= 400 ? head.status : Number(said ?? 0);
  const seconds = RETRY_AFTER.exec(errorMessage)?.[1];
  const headers = { ...(seconds !== undefined && { "retry-after": seconds }), ...head?.headers };
  const body = errorBody ?? text.replace(STATUS, "");
  if (status !== 0) return { status, headers, body };
  if (hasBegun || head !== undefined) return { headers, body, source: "STREAM_EVENT" };
  return { transportError: errorCode ?? text };
}
