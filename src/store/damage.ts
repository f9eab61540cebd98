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

/**
 * By field, what it must be; one that may be absent accepts `undefined`. For the few small layouts that every
 * start reads, some of them a thousand times: a schema of zod took as long as opening the seal (measured).
 */
export type Checks<T> = { readonly [K in keyof T]-?: (value: unknown) => boolean };

/** The value, if it has the fields that are checked and no others. Throws `Damage`, or what `explain` throws. */
export function fitting<T>(value: unknown, checks: Checks<T>, explain?: () => void): T {
  const wrong = misfit(value, checks);
  if (wrong === undefined) return value as T;
  explain?.();
  throw new Damage(`${wrong} is not as expected`);
}

/** Which field is wrong, or that it is the whole. Undefined: nothing. Never a name that stands in the value. */
function misfit<T>(value: unknown, checks: Checks<T>): string | undefined {
  if (!isObject(value)) return "the document";
  const wrong = (Object.keys(checks) as (keyof T & string)[]).find((field) => !checks[field](value[field]));
  if (wrong !== undefined) return wrong;
  return Object.keys(value).every((field) => Object.hasOwn(checks, field)) ? undefined : "the document";
}

/** Of a field that is an object itself. */
export function fits<T>(checks: Checks<T>): (value: unknown) => boolean {
  return (value) => misfit(value, checks) === undefined;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export const isText = (value: unknown) => typeof value === "string";
export const isCount = (value: unknown) => Number.isSafeInteger(value) && Number(value) >= 0;
/** Of a revision: from 1 on. */
export const isPositive = (value: unknown) => isCount(value) && value !== 0;
export const is = (wanted: unknown) => (value: unknown) => value === wanted;
