import { createHash } from "node:crypto";
import type { Deed } from "../broker/audit.ts";

/** Where a chain stands: the number of its last line, and that line's hash. */
export interface Link {
  readonly seq: number;
  readonly hash: string;
}

/** What a chain begins with. */
export const FIRST_LINK: Link = { seq: 0, hash: "0".repeat(64) };

/** A deed with its moment, and how often it happened within the second. */
export interface Entry {
  readonly atMs: number;
  readonly deed: Deed;
  readonly count: number;
}

const TAIL = /^(.*),"hash":"([0-9a-f]{64})"\}$/s;

/**
 * One line of the log, without its end: JSON whose last field is the SHA-256 of all before it, in which `prev` is the
 * hash of the line before. Whoever changes, removes or adds a line must write all later ones anew.
 */
export function writeLine(before: Link, { atMs, deed, count }: Entry): Link & { readonly text: string } {
  const seq = before.seq + 1;
  const { actor, action, outcome, ...about } = deed;
  const body = JSON.stringify({
    seq,
    time: new Date(atMs).toISOString(),
    action,
    outcome,
    ...(actor === undefined ? {} : { actor }),
    ...about,
    ...(count > 1 ? { count } : {}),
    prev: before.hash,
  }).slice(0, -1);
  const hash = hashOf(body);
  return { seq, hash, text: `${body},"hash":"${hash}"}` };
}

/** What a line says. */
export interface Line extends Deed {
  readonly seq: number;
  readonly time: string;
  readonly count?: number;
  readonly prev: string;
  readonly hash: string;
}

/** Reads a line, or says why it is none: `hash` if it was changed. */
export function readLine(text: string): Line | "form" | "hash" {
  const [, body, hash] = TAIL.exec(text) ?? [];
  if (body === undefined || hash === undefined) return "form";
  if (hashOf(body) !== hash) return "hash";
  try {
    return JSON.parse(text) as Line;
  } catch {
    return "form";
  }
}

function hashOf(body: string): string {
  return createHash("sha256").update(body).digest("hex");
}
