import type { JsonObject } from "./fields.ts";
import { ImportError } from "./file.ts";

/** A field that should hold a token: it does, it is not there, or what is there can be none. */
export type TokenField =
  | { readonly kind: "token"; readonly text: string }
  | { readonly kind: "absent" }
  | { readonly kind: "unusable"; readonly why: string };

const ANSI_COLOUR = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*[A-Za-z]`, "g");

/** Reads a token. Blanks and terminal colours around it, as pasting leaves them, are dropped. */
export function tokenField(value: unknown): TokenField {
  if (value === undefined || value === null) return { kind: "absent" };
  if (typeof value !== "string") return { kind: "unusable", why: "is not a text" };
  const text = value.replace(ANSI_COLOUR, "").trim();
  if (text === "") return { kind: "absent" };
  if (!/^[\x21-\x7e]+$/.test(text)) return { kind: "unusable", why: "contains characters that no token has" };
  return { kind: "token", text };
}

/** The token in a field of a program's own login file. Throws `ImportError` if what is there can be none. */
export function tokenIn(object: JsonObject, name: string, path: string): string | undefined {
  const field = tokenField(object[name]);
  if (field.kind === "unusable") throw new ImportError(65, path, `${name} ${field.why}`);
  return field.kind === "token" ? field.text : undefined;
}
