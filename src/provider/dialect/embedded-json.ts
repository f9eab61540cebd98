import { asObject, type JsonObject, readJson } from "./loose-json.ts";

const LONGEST_EMBEDDED = 16_384;
const MOST_TRIES = 4;

/** The first object written inside a prose, and the prose before it. */
export function embeddedJson(
  prose: string,
): { readonly lead: string; readonly value: JsonObject } | undefined {
  let from = 0;
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const at = prose.indexOf("{", from);
    if (at < 0) return undefined;
    from = at + 1;
    const rest = prose.slice(at, at + LONGEST_EMBEDDED);
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
  return text.replaceAll('\\"', '"').replaceAll("\\n", " ");
}
