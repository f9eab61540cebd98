/** A value as JSON writes it. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

/** Longer texts are read by ourselves: `JSON.parse` builds whatever it is given. */
const LONGEST_STRICT = 16_384;
const LONGEST = 65_536;
const DEEPEST = 32;
/** Of values and of escapes; error bodies have far fewer. */
const MOST_PARTS = 1_000;

export function asObject(value: Json | undefined): JsonObject | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : undefined;
}

export function asList(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}

export function asText(value: Json | undefined): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A finite number, or a text that is nothing but one. An empty text is no number. */
export function asNumber(value: Json | undefined): number | undefined {
  if (typeof value === "string" && (value.trim() === "" || value.length > 32)) return undefined;
  if (typeof value !== "string" && typeof value !== "number") return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : undefined;
}

/**
 * Reads JSON, and else what programs print in its place: Python and JavaScript notation (single
 * quotes, bare words), raw line breaks in strings, a missing end. Undefined if there is no object or
 * list at all. Linear in the length, and bounded: what is deeper or longer than errors are is left out.
 */
export function readJson(text: string): Json | undefined {
  if (text.length <= LONGEST_STRICT) {
    try {
      return JSON.parse(text) as Json;
    } catch {
      // Not JSON to the letter: read on.
    }
  }
  const cursor: Cursor = { text: text.slice(0, LONGEST), at: 0, parts: 0, backslash: -1 };
  skipBlanks(cursor);
  const first = cursor.text[cursor.at];
  return first === "{" || first === "[" ? readValue(cursor, 0) : undefined;
}

/** The first object written inside a prose, and the prose before it. */
export function embeddedJson(
  prose: string,
): { readonly lead: string; readonly value: JsonObject } | undefined {
  let from = 0;
  for (let tries = 0; tries < 8; tries++) {
    const at = prose.indexOf("{", from);
    if (at < 0) return undefined;
    from = at + 1;
    const rest = prose.slice(at);
    const opening = rest.slice(1, 40).trimStart();
    if (opening.startsWith('\\"') || opening.startsWith("\\n")) {
      const value = asObject(readJson(unescapeOnce(rest)));
      if (hasKeys(value)) return { lead: prose.slice(0, at), value };
    }
    if (!startsKey(opening)) continue;
    const value = asObject(readJson(rest));
    if (hasKeys(value)) return { lead: prose.slice(0, at), value };
  }
  return undefined;
}

function hasKeys(object: JsonObject | undefined): object is JsonObject {
  for (const _ in object) return true;
  return false;
}

function startsKey(text: string): boolean {
  const first = text.charCodeAt(0) | 0x20;
  return text.startsWith('"') || text.startsWith("'") || (first >= 0x61 && first <= 0x7a);
}

function unescapeOnce(text: string): string {
  return text.slice(0, LONGEST_STRICT).replaceAll('\\"', '"').replaceAll("\\n", " ");
}

interface Cursor {
  readonly text: string;
  at: number;
  /** Values and escapes so far. */
  parts: number;
  /** Where the next backslash is, or was when it was last looked for. */
  backslash: number;
}

/** Moves to the first place at or after the cursor that `pattern` (global, one sign) fits, or to the end. */
function moveTo(cursor: Cursor, pattern: RegExp): void {
  pattern.lastIndex = cursor.at;
  cursor.at = pattern.exec(cursor.text)?.index ?? cursor.text.length;
}

function skipBlanks(cursor: Cursor): void {
  moveTo(cursor, /\S/g);
}

/** Counts a part; with too many of them the rest is not looked at. */
function count(cursor: Cursor): void {
  if (++cursor.parts > MOST_PARTS) cursor.at = cursor.text.length;
}

function readValue(cursor: Cursor, depth: number): Json {
  if (depth > DEEPEST) cursor.at = cursor.text.length;
  count(cursor);
  skipBlanks(cursor);
  const first = cursor.text[cursor.at];
  if (first === "{") return readObject(cursor, depth);
  if (first === "[") return readList(cursor, depth);
  if (first === '"' || first === "'") return readString(cursor, first);
  return wordValue(readWord(cursor, /[,}\]\n]/g));
}

function readObject(cursor: Cursor, depth: number): JsonObject {
  const object: Record<string, Json> = Object.create(null);
  cursor.at++;
  for (;;) {
    skipBlanks(cursor);
    const next = cursor.text[cursor.at];
    if (next === undefined) return object;
    if (next === ",") {
      cursor.at++;
      continue;
    }
    if (next === "}" || next === "]") {
      cursor.at++;
      return object;
    }
    const key = next === '"' || next === "'" ? readString(cursor, next) : readWord(cursor, /[:,}\]]/g);
    skipBlanks(cursor);
    if (cursor.text[cursor.at] !== ":") continue;
    cursor.at++;
    object[key] = readValue(cursor, depth + 1);
  }
}

function readList(cursor: Cursor, depth: number): readonly Json[] {
  const list: Json[] = [];
  cursor.at++;
  for (;;) {
    skipBlanks(cursor);
    const next = cursor.text[cursor.at];
    if (next === undefined) return list;
    if (next === "," || next === ":") {
      cursor.at++;
      continue;
    }
    if (next === "}" || next === "]") {
      cursor.at++;
      return list;
    }
    list.push(readValue(cursor, depth + 1));
  }
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f" };

function readString(cursor: Cursor, quote: string): string {
  const { text } = cursor;
  let out = "";
  let from = ++cursor.at;
  let end = endOfString(text, quote, from);
  for (;;) {
    if (cursor.backslash < cursor.at) cursor.backslash = orEnd(text.indexOf("\\", cursor.at), text);
    if (cursor.backslash >= end) break;
    out += text.slice(from, cursor.backslash);
    const escaped = text[cursor.backslash + 1] ?? "";
    const hex = text.slice(cursor.backslash + 2, cursor.backslash + 6);
    const code = escaped === "u" ? Number.parseInt(hex, 16) : Number.NaN;
    out += Number.isNaN(code) ? (ESCAPES[escaped] ?? escaped) : String.fromCharCode(code);
    from = cursor.backslash + (Number.isNaN(code) ? 2 : 6);
    cursor.at = from;
    count(cursor);
    if (cursor.at > from) return out;
    if (end < from) end = endOfString(text, quote, from);
  }
  cursor.at = end + 1;
  return out + text.slice(from, end);
}

function endOfString(text: string, quote: string, from: number): number {
  return orEnd(text.indexOf(quote, from), text);
}

function orEnd(at: number, text: string): number {
  return at < 0 ? text.length : at;
}

function readWord(cursor: Cursor, ends: RegExp): string {
  const from = cursor.at;
  moveTo(cursor, ends);
  return cursor.text.slice(from, cursor.at).trim();
}

function wordValue(word: string): Json {
  if (word === "true" || word === "True") return true;
  if (word === "false" || word === "False") return false;
  if (word === "" || word === "null" || word === "None" || word === "undefined") return null;
  return asNumber(word) ?? word;
}
