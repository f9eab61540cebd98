import type { Evidence } from "./evidence.ts";
import { both, either, hasStatus, not, type Rule, rule, says, type Test } from "./rule.ts";

const is5xx: Test = ({ status }) => status >= 500 && status < 600;
const is4xx: Test = ({ status }) => status >= 400 && status < 500;
const isPage: Test = ({ form }) => form === "html";
const isEmpty: Test = ({ form, text }) => form === "empty" || text === "";

/** A gateway in front of the provider answered, not the provider. */
export const isEdge: Test = ({ form, headers, status, text }) =>
  form === "html" ||
  headers["cf-mitigated"] !== undefined ||
  (status === 403 && form === "empty" && headers.server?.toLowerCase() === "cloudflare") ||
  text.startsWith("error code: 10");

/** Answers of gateways. They concern everybody, never the account. */
export const EDGE: readonly Rule[] = [
  rule("edge.unauthorized", both(isPage, hasStatus(401)), "AUTH_INVALID_TOKEN", "PROFILE"),
  rule("edge.rate_limit", both(isEdge, hasStatus(429)), "RATE_LIMIT", "PROVIDER"),
  rule("edge.overloaded", both(isEdge, hasStatus(529)), "OVERLOADED", "PROVIDER"),
  rule("edge.blocked", both(isEdge, not(is5xx), not(hasStatus(400, 404, 405))), "FORBIDDEN", "PROVIDER"),
  rule("edge.broken", isEdge, "SERVER_ERROR", "PROVIDER"),
];

/** In a message; a transport error may simply say "timeout". */
const TIMEOUTS = [
  "timed out",
  "etimedout",
  "esockettimedout",
  "deadline exceeded",
  "idle timeout",
  "connect timeout",
  "request timeout",
  "timeouterror",
  "und_err_connect_timeout",
  "und_err_headers_timeout",
  "und_err_body_timeout",
  "und_err_info",
];
const NETWORK = [
  "econnreset",
  "econnrefused",
  "econnaborted",
  "enotfound",
  "eai_again",
  "ehostunreach",
  "ehostdown",
  "enetunreach",
  "enetreset",
  "epipe",
  "und_err_",
  "socket hang up",
  "fetch failed",
  "connection error",
  "connection refused",
  "connection reset",
  "connection was closed",
  "network error",
  "network_error",
  "unable to connect",
  "no such host",
  "stream disconnected",
  "stream closed",
  "premature close",
  "other side closed",
  "error sending request",
  "unexpected eof",
];
const isUnanswered: Test = ({ status }) => status < 300;
const tells =
  (marks: readonly string[]): Test =>
  ({ text, transportError }) =>
    marks.some((mark) => transportError.includes(mark) || text.includes(mark));
const isTimeout: Test = either(tells(TIMEOUTS), ({ transportError }) => transportError.includes("timeout"));

/** No answer came, or it broke off. */
export const TRANSPORT: readonly Rule[] = [
  rule("transport.timeout", both(isUnanswered, isTimeout), "TIMEOUT", "NONE"),
  rule(
    "transport.network",
    both(
      isUnanswered,
      either(tells(NETWORK), ({ transportError }) => transportError !== ""),
    ),
    "NETWORK",
    "NONE",
  ),
];

/** Words of servers that complain about the request. */
const COMPLAINTS = says(
  "invalid",
  "missing",
  "required",
  "unsupported",
  "not supported",
  "must ",
  "malformed",
  "unrecognized",
  "unprocessable",
  "bad request",
  "parameter",
  "maximum",
  "should match",
  "unexpected",
);

/** What the HTTP status alone says. */
export const STATUS: readonly Rule[] = [
  rule("status.401", hasStatus(401), "AUTH_INVALID_TOKEN", "PROFILE"),
  rule("status.402", hasStatus(402), "BILLING", "PROFILE"),
  rule("status.403", hasStatus(403), "FORBIDDEN", "PROFILE"),
  rule("status.404_empty", both(hasStatus(404), isEmpty), "SERVER_ERROR", "PROVIDER"),
  rule(
    "status.404_page",
    both(hasStatus(404), says("page not found", "not found")),
    "SERVER_ERROR",
    "PROVIDER",
  ),
  rule("status.408", hasStatus(408), "TIMEOUT", "NONE"),
  rule("status.413", hasStatus(413), "BAD_REQUEST", "NONE"),
  rule("status.429", hasStatus(429), "RATE_LIMIT", "PROFILE"),
  rule("status.451", hasStatus(451), "FORBIDDEN", "PROVIDER"),
  rule("status.529", hasStatus(529), "OVERLOADED", "PROVIDER"),
  rule("status.5xx", is5xx, "SERVER_ERROR", "PROVIDER"),
  rule(
    "status.bad_request",
    both(is4xx, hasStatus(400, 405, 406, 411, 415, 422, 431), either(isEmpty, COMPLAINTS)),
    "BAD_REQUEST",
    "NONE",
  ),
];

/** Nothing fits: the next profile may be tried once, and nobody is punished. */
export const UNRECOGNIZED: Rule = rule("unrecognized", (_: Evidence) => true, "UNRECOGNIZED", "NONE");
