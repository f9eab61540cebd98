import type { ProviderResponse, ResponseSource } from "../provider.ts";
import { embeddedJson } from "./embedded-json.ts";
import { addCode, codesOf, errorChain, messageOf, tellsFailure } from "./error-chain.ts";
import { asNumber, asObject, type Json, type JsonObject, readJson } from "./loose-json.ts";
import { readResetText, type StatedInText } from "./reset-text.ts";
import { isEventStream, readStream } from "./sse.ts";
import { statusInProse } from "./status-text.ts";

const LONGEST_TEXT = 4_096;
/** A sentence that nothing but itself vouches for is an error only if it is short. */
const LONGEST_PLAIN = 512;
const MOST_HEADERS = 200;

/** An answer taken apart, in the form that rules look at. All texts but `root` and `chain` are in lower case. */
export interface Evidence {
  readonly source: ResponseSource | "TOKEN_ENDPOINT";
  /** The HTTP status, the innermost one if the body names another; 0 if there is none. */
  readonly status: number;
  /** Those of the answer, then those that travelled inside the body. */
  readonly headers: Readonly<Record<string, string>>;
  readonly form: "empty" | "html" | "json" | "text";
  readonly root: Json | undefined;
  /** Objects of the error, the outermost first. */
  readonly chain: readonly JsonObject[];
  readonly codes: ReadonlySet<string>;
  /** The error's message, or the whole text if there is no structure; blanks are single. */
  readonly text: string;
  readonly failed: boolean;
  /** What the message says about the end of a limit. */
  readonly stated: StatedInText;
  /** Only prose speaks of a failure: no status, no error object. */
  readonly plain: boolean;
  readonly transportError: string;
  readonly model: string;
  readonly receivedAtMs: number;
  readonly longestWindowMs: number;
}

interface Body {
  readonly form: Evidence["form"];
  readonly root?: Json;
  readonly lead?: string;
  /** The body itself says that something failed. */
  readonly failed: boolean;
}

/** Takes an answer apart. Never throws; time is linear in the body. */
export function readEvidence(
  response: ProviderResponse,
  longestWindowMs: number,
  source: Evidence["source"] = response.source,
): Evidence {
  const { httpStatus, transportError, model, receivedAtMs } = response;
  const body = readBody(response.body, httpStatus);
  const chain = errorChain(body.root);
  const headers = headersOf(response.headers, body.root, chain);
  const prose = body.form === "json" ? messageOf(chain) : body.form === "html" ? "" : response.body;
  const text = fold(prose === "" && body.form === "empty" ? transportError : prose);
  const inBody = statusOf(chain, body, httpStatus);
  const status =
    inBody ?? (httpStatus >= 300 ? httpStatus : (statusInProse(leadOf(body, response)) ?? httpStatus));
  const failed = isFailure(response, body, headers);
  return {
    source,
    status,
    headers,
    form: body.form,
    root: body.root,
    chain,
    codes: allCodes(chain, headers, body.form === "text" ? text : ""),
    text,
    failed,
    stated: failed ? readResetText(text, receivedAtMs) : {},
    plain: httpStatus < 300 && !body.failed && status === httpStatus,
    transportError: transportError.toLowerCase().slice(0, LONGEST_TEXT),
    model,
    receivedAtMs,
    longestWindowMs,
  };
}

/** Lower case, single blanks, plain quotes, at most 4 KiB. */
export function fold(text: string): string {
  const short = text.slice(0, LONGEST_TEXT).toLowerCase().replaceAll("’", "'");
  return short.split(/\s/).filter(Boolean).join(" ");
}

function readBody(body: string, httpStatus: number): Body {
  const start = body.slice(0, 2_048).trimStart();
  if (start === "") return { form: "empty", failed: false };
  if (isPage(start)) return { form: "html", lead: start.slice(0, 16), failed: false };
  if (beginsJson(start)) {
    const root = readJson(body);
    if (asObject(root) !== undefined || Array.isArray(root)) return jsonBody(root, httpStatus);
  }
  if (isEventStream(body)) {
    const { failure, usage } = readStream(body);
    const root = failure ?? usage ?? {};
    return { form: "json", root, failed: failure !== undefined };
  }
  const embedded = embeddedJson(body);
  if (embedded === undefined || !informs(embedded.value)) return { form: "text", lead: body, failed: false };
  return { ...jsonBody(embedded.value, httpStatus), lead: embedded.lead };
}

/** A bracket alone begins many a log line. */
function beginsJson(start: string): boolean {
  const next = start.slice(1, 200).trimStart()[0] ?? "";
  return start.startsWith("{") || (start.startsWith("[") && ["{", "[", "]", '"'].includes(next));
}

function jsonBody(root: Json | undefined, httpStatus: number): Body {
  const first = asObject(Array.isArray(root) ? root[0] : root);
  const failed = tellsFailure(first) || (httpStatus === 0 && typeof first?.detail === "object");
  return { form: "json", root: root ?? null, failed };
}

/** True if an object found in prose is an error's, not a dump of something else. */
function informs(object: JsonObject): boolean {
  const chain = errorChain(object);
  return messageOf(chain) !== "" || codesOf(chain).size > 0;
}

function isPage(start: string): boolean {
  const low = start.toLowerCase();
  const marks = [low.indexOf("<!doctype html"), low.indexOf("<html")].filter((at) => at >= 0);
  const brace = low.indexOf("{");
  return marks.length > 0 && (brace < 0 || Math.min(...marks) < brace);
}

function leadOf(body: Body, { transportError }: ProviderResponse): string {
  return body.form === "empty" ? transportError : (body.lead ?? "");
}

function statusOf(chain: readonly JsonObject[], body: Body, httpStatus: number): number | undefined {
  if (!body.failed && httpStatus < 300) return undefined;
  for (const object of [...chain].reverse()) {
    for (const key of ["code", "status", "status_code", "statusCode", "http_status"]) {
      const status = asNumber(object[key]);
      if (status !== undefined && Number.isInteger(status) && status >= 400 && status < 600) return status;
    }
  }
  return undefined;
}

function headersOf(
  given: Readonly<Record<string, string>>,
  root: Json | undefined,
  chain: readonly JsonObject[],
): Readonly<Record<string, string>> {
  const merged: Record<string, string> = Object.create(null);
  const inBand = [asObject(root)?.headers, asObject(chain.at(-1)?.metadata)?.headers];
  for (const source of [given, ...inBand.map(asObject)]) {
    let count = 0;
    for (const name in source) {
      if (++count > MOST_HEADERS) break;
      const value = source[name];
      if (typeof value === "string") merged[name.toLowerCase()] ??= value.slice(0, 1_024);
    }
  }
  return merged;
}

const CODE_HEADERS = ["x-codex-rate-limit-reached-type", "x-amzn-errortype", "x-ms-error-code"];

function allCodes(
  chain: readonly JsonObject[],
  headers: Readonly<Record<string, string>>,
  prose: string,
): ReadonlySet<string> {
  const codes = new Set(codesOf(chain));
  for (const name of CODE_HEADERS) addCode(codes, headers[name]);
  // A bare text may be a code, or begin with one: "model_cooldown: all credentials ...".
  for (const word of prose.slice(0, 300).split(/[^a-z_]/)) if (word.indexOf("_") > 0) codes.add(word);
  return codes;
}

function isFailure(
  { httpStatus, body, transportError, source }: ProviderResponse,
  read: Body,
  headers: Readonly<Record<string, string>>,
): boolean {
  if (httpStatus >= 300 || read.failed || transportError !== "") return true;
  if (read.form === "html")
    return httpStatus === 0 || headers["cf-mitigated"] === "challenge" || isBlocked(body);
  // Without a status only an event of a stream and a usage reading may be good news.
  if (read.form === "json") return httpStatus === 0 && source === "MODEL_API";
  return httpStatus === 0 || (read.form === "text" && source === "STREAM_EVENT");
}

/** Pages of an edge that come with a good status. */
function isBlocked(page: string): boolean {
  const low = page.slice(0, 2_048).toLowerCase();
  return low.includes("just a moment") || low.includes("attention required");
}

/** True if it is known to be more than somebody's sentence, or a sentence short enough to be an error. */
export function isCredible(evidence: Evidence): boolean {
  return !evidence.plain || evidence.text.length <= LONGEST_PLAIN;
}
