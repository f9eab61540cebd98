import type { z } from "zod";

/** What is wrong with a document. The message never holds any of its content. */
export class Damage extends Error {
  override readonly name = "Damage";
}

/** Parses with a zod schema; tells only where and what kind of thing is wrong, unless `explain` throws better. */
export function parsed<S extends z.ZodType>(schema: S, value: unknown, explain?: () => void): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  explain?.();
  const issue = result.error.issues[0];
  const field = issue?.path.join(".") || "the document";
  throw new Damage(`${field} is not as expected (${issue?.code ?? "unknown"})`);
}

/** Strict: neither a byte order mark nor broken UTF-8 is passed over. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The JSON value in some bytes. Throws `Damage`, not the parser's own error, which quotes the text. */
export function json(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch {
    throw new Damage(bytes.length === 0 ? "it is empty" : "it is not whole JSON text");
  }
}
