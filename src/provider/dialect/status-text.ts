const LOOKED_AT = 300;
/** What stands before a status in a client's rendering. */
const LEADS = [
  "http error ",
  "http/1.1 ",
  "http/2 ",
  "http ",
  "status code: ",
  "status code ",
  "status ",
  "status: ",
  "status=",
  "unexpected status ",
  "last status: ",
  "error code: ",
  "error code ",
  "rejected (",
  "api error: ",
  "api error (",
  "api error ",
  "error (",
  "error: ",
  "error ",
  "[",
];
/** First words of reason phrases: a number before one of them is a status. */
const REASONS = [
  "bad ",
  "unauthorized",
  "payment required",
  "forbidden",
  "not found",
  "request timeout",
  "too many requests",
  "client closed",
  "internal",
  "service unavailable",
  "gateway time",
  "engine overloaded",
  "overloaded",
  "resource_exhausted",
];

/**
 * The HTTP status that a client's rendering names ("HTTP 402: …", "API Error: 529 Overloaded"), or
 * undefined. Numbers in ordinary sentences ("402 items found") are none.
 */
export function statusInProse(prose: string): number | undefined {
  const text = prose.slice(0, LOOKED_AT).toLowerCase().trimStart();
  const atStart = statusAt(text, 0);
  if (atStart !== undefined) return atStart;
  for (const lead of LEADS) {
    const at = text.indexOf(lead);
    const status = at < 0 ? undefined : statusAt(text, at + lead.length);
    if (status !== undefined) return status;
  }
  return undefined;
}

function statusAt(text: string, at: number): number | undefined {
  const digits = text.slice(at, at + 3);
  const status = /^[45]\d\d$/.test(digits) ? Number(digits) : undefined;
  const rest = text.slice(at + 3);
  if (rest === "" || /^(?:[:{(\])<]| -| \{| \(| <|: )/.test(rest)) return status;
  return rest.startsWith(" ") && REASONS.some((reason) => rest.startsWith(reason, 1)) ? status : undefined;
}
