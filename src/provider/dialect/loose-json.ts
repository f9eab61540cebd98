/** A value as JSON writes it. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

/** Longer texts are read by ourselves: `JSON.parse` builds whatever it is given. */
const LONGEST_STRICT = 16_384;
const LONGEST = 65_536;
/** Of keys, values and escapes; error bodies have far fewer. Bounds the depth, too. */
const MOST_PARTS = 2_000;

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
  return first === "{" || first === "[" ? readValue(cursor) : undefined;
}

const NON_BLANK = /\S/g;
const WORD_END = /[,}\]\n]/g;
const KEY_END = /[:,}\]]/g;

interface Cursor {
  readonly text: string;
  at: number;
  /** Keys, values and escapes so far. */
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
  moveTo(cursor, NON_BLANK);
}

/** Counts a part; with too many of them the rest is not looked at. */
function count(cursor: Cursor): void {
  if (++cursor.parts > MOST_PARTS) cursor.at = cursor.text.length;
}

function readValue(cursor: Cursor): Json {
  count(cursor);
  skipBlanks(cursor);
  const first = cursor.text[cursor.at];
  if (first === "{") return readObject(cursor);
  if (first === "[") return readList(cursor);
  if (first === '"' || first === "'") return readString(cursor, first);
  return wordValue(readWord(cursor, WORD_END));
}

function readObject(cursor: Cursor): JsonObject {
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
    count(cursor);
    const key = next === '"' || next === "'" ? readString(cursor, next) : readWord(cursor, KEY_END);
    skipBlanks(cursor);
    if (cursor.text[cursor.at] !== ":") continue;
    cursor.at++;
    object[key] = readValue(cursor);
  }
}

function readList(cursor: Cursor): readonly Json[] {
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
    list.push(readValue(cursor));
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
