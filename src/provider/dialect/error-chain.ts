import { embeddedJson } from "./embedded-json.ts";
import { asList, asObject, asText, type Json, type JsonObject, readJson } from "./loose-json.ts";

const DEEPEST = 12;
const MOST_NESTED = 4;
const MESSAGE_KEYS = [
  "message",
  "msg",
  "error_description",
  "error_message",
  "errorMessage",
  "detail",
  "error",
  "status_msg",
  "title",
  "description",
] as const;

/**
 * The objects from a body's outermost to the one that holds the innermost error. JSON inside a
 * message starts the chain anew: what a proxy wraps is nearer to the cause than the wrapping.
 */
export function errorChain(root: Json | undefined, nested = 0): readonly JsonObject[] {
  const chain: JsonObject[] = [];
  let value = root;
  for (let depth = 0; depth < DEEPEST && value !== undefined; depth++) {
    if (Array.isArray(value)) value = asList(value).find((item) => asObject(item) !== undefined);
    const object = asObject(value);
    if (object === undefined) break;
    chain.push(object);
    value = innerError(object);
  }
  const inner = nested < MOST_NESTED ? nestedJson(chain) : undefined;
  const innerChain = inner === undefined ? [] : errorChain(inner, nested + 1);
  return innerChain.length > 0 ? innerChain : chain;
}

function innerError(object: JsonObject): Json | undefined {
  const response = asObject(object.response);
  const candidates: readonly (Json | undefined)[] = [
    object.error,
    response?.error,
    object.detail,
    object.base_resp,
    asObject(object.data)?.error,
    asObject(object.result)?.error,
    asObject(asList(object.choices)[0])?.error,
    asText(object.message) === undefined ? asList(object.errors)[0] : undefined,
  ];
  const inner = candidates.find((value) => typeof value === "object" && value !== null);
  return inner ?? (response?.status === "failed" ? response : undefined);
}

function nestedJson(chain: readonly JsonObject[]): JsonObject | undefined {
  const leaf = chain.at(-1);
  if (leaf === undefined) return undefined;
  const raw = asObject(leaf.metadata)?.raw;
  for (const value of [raw, ...MESSAGE_KEYS.map((key) => leaf[key])]) {
    const text = asText(value);
    if (text === undefined || !text.includes("{")) continue;
    const inner = asObject(firstOf(readJson(text))) ?? embeddedJson(text)?.value;
    if (inner !== undefined && errorish(inner)) return inner;
  }
  return undefined;
}

function firstOf(value: Json | undefined): Json | undefined {
  return Array.isArray(value) ? asList(value)[0] : value;
}

function errorish(object: JsonObject): boolean {
  return ["error", "errors", "code", "type", "message", "status", "detail"].some(
    (key) => object[key] != null,
  );
}

/** The innermost message, and the upstream's own words where an aggregator quotes them. */
export function messageOf(chain: readonly JsonObject[]): string {
  for (let at = chain.length - 1; at >= 0; at--) {
    const object = chain[at];
    for (const key of MESSAGE_KEYS) {
      const message = asText(object?.[key]);
      if (message === undefined) continue;
      const raw = asText(asObject(object?.metadata)?.raw);
      return raw === undefined ? message : `${message} ${raw}`;
    }
  }
  return "";
}

const CODE_KEYS = [
  "code",
  "type",
  "error",
  "status",
  "reason",
  "error_code",
  "error_type",
  "error_subtype",
  "errorCode",
  "codex_error_info",
  "codexErrorInfo",
  "rate_limit_reached_type",
  "__type",
] as const;

/** All error codes of the chain in lower case: codes, types, statuses and reasons, `google.rpc` details included. */
export function codesOf(chain: readonly JsonObject[]): ReadonlySet<string> {
  const codes = new Set<string>();
  for (const object of chain) {
    const details = [...asList(object.details), ...asList(object.errors)].slice(0, 16);
    for (const part of [object, object.metadata, ...details]) {
      for (const key of CODE_KEYS) addCode(codes, asText(asObject(part)?.[key]));
    }
  }
  return codes;
}

/** Adds a code in the forms it is known by: `a:b` counts as `a` and `b` too, `com.amazon#a` as `a`. */
export function addCode(codes: Set<string>, text: string | undefined): void {
  if (text === undefined || text.length > 80 || text.includes(" ")) return;
  const code = text.slice(text.indexOf("#") + 1).toLowerCase();
  codes.add(code);
  const colon = code.indexOf(":");
  if (colon > 0) codes.add(code.slice(0, colon)).add(code.slice(colon + 1));
}

/** True if the object says that something failed, whatever the HTTP status. */
export function tellsFailure(object: JsonObject | undefined): boolean {
  if (object === undefined) return false;
  const { error, type } = object;
  if (typeof error === "object" && error !== null) return true;
  if (asText(error) !== undefined || object.success === false || object.object === "error") return true;
  if (type === "error" || type === "response.failed" || type === "turn.failed") return true;
  const result = asObject(object.base_resp)?.status_code;
  if (typeof result === "number" && result !== 0) return true;
  const inner = innerError(object);
  return (
    inner !== undefined && inner !== object.detail && inner !== object.base_resp && !Array.isArray(inner)
  );
}
