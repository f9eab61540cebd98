/** A value as JSON writes it. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

const LONGEST_LOOSE = 16_384;
const DEEPEST = 32;
const MOST_VALUES = 2_000;

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
 * list at all. Linear in the length; the loose reading sees the first 16 KiB.
 */
export function readJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    const cursor = { text: text.slice(0, LONGEST_LOOSE), at: 0, values: 0 };
    skipBlanks(cursor);
    const first = cursor.text[cursor.at];
    return first === "{" || first === "[" ? readValue(cursor, 0) : undefined;
  }
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
  return text.slice(0, LONGEST_LOOSE).replaceAll('\\"', '"').replaceAll("\\n", " ");
}

interface Cursor {
  readonly text: string;
  at: number;
  values: number;
}

function skipBlanks(cursor: Cursor): void {
  while (cursor.at < cursor.text.length && cursor.text.charCodeAt(cursor.at) <= 0x20) cursor.at++;
}

function readValue(cursor: Cursor, depth: number): Json {
  skipBlanks(cursor);
  // Too deep or too much to be an error body: the rest is not looked at.
  if (depth > DEEPEST || ++cursor.values > MOST_VALUES) cursor.at = cursor.text.length;
  const first = cursor.text[cursor.at];
  if (first === "{") return readObject(cursor, depth);
  if (first === "[") return readList(cursor, depth);
  if (first === '"' || first === "'") return readString(cursor, first);
  return wordValue(readWord(cursor, ",}]\n"));
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
    const key = next === '"' || next === "'" ? readString(cursor, next) : readWord(cursor, ":,}]");
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
  while (cursor.at < text.length && text[cursor.at] !== quote) {
    if (text[cursor.at] !== "\\") {
      cursor.at++;
      continue;
    }
    out += text.slice(from, cursor.at);
    const escaped = text[cursor.at + 1] ?? "";
    const code = escaped === "u" ? Number.parseInt(text.slice(cursor.at + 2, cursor.at + 6), 16) : Number.NaN;
    out += Number.isNaN(code) ? (ESCAPES[escaped] ?? escaped) : String.fromCharCode(code);
    cursor.at += Number.isNaN(code) ? 2 : 6;
    from = cursor.at;
  }
  out += text.slice(from, cursor.at);
  cursor.at++;
  return out;
}

function readWord(cursor: Cursor, ends: string): string {
  const from = cursor.at;
  while (cursor.at < cursor.text.length && !ends.includes(cursor.text[cursor.at] ?? "")) cursor.at++;
  return cursor.text.slice(from, cursor.at).trim();
}

function wordValue(word: string): Json {
  if (word === "true" || word === "True") return true;
  if (word === "false" || word === "False") return false;
  if (word === "" || word === "null" || word === "None" || word === "undefined") return null;
  return asNumber(word) ?? word;
}
