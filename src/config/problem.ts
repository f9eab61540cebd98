import { findNodeAtLocation, type Node } from "jsonc-parser";
import { z } from "zod";
import { byNearness, nearest } from "../domain/nearest.ts";
import { fileSchema } from "./schema.ts";

export type Path = readonly (string | number)[];

/** One thing that is wrong in the file. */
export interface Problem {
  /** Where in the document, such as `providers.openai-codex.strategy`; empty for the whole. */
  readonly path: string;
  /** Counted from 1; absent if the file has no content. */
  readonly line?: number;
  /** Never contains a value out of the file that may be secret. */
  readonly message: string;
}

/** The file cannot be used. Says everything that is wrong with it at once. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly exitCode = 78;
  readonly file: string;
  readonly problems: readonly Problem[];

  constructor(file: string, problems: readonly Problem[], options?: ErrorOptions) {
    super(
      [`${file} cannot be used:`, ...problems.map((problem) => `  ${lineOf(problem)}`)].join("\n"),
      options,
    );
    this.file = file;
    this.problems = problems;
  }
}

function lineOf({ line, path, message }: Problem): string {
  const where = [line === undefined ? "" : `line ${line}`, path].filter((part) => part !== "").join(", ");
  return where === "" ? message : `${where}: ${message}`;
}

/** Number of the line at an offset, from 1. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

/** A problem at a path of the parsed document; what is missing is shown at what should hold it. */
export function problemAt(text: string, root: Node, path: Path, message: string): Problem {
  let node: Node | undefined;
  for (let length = path.length; node === undefined && length >= 0; length--) {
    node = findNodeAtLocation(root, path.slice(0, length));
  }
  const start = node?.parent?.type === "property" ? node.parent : node;
  return { path: written(path), line: lineAt(text, start?.offset ?? 0), message };
}

function written(path: Path): string {
  return path
    .map((part, i) => (typeof part === "number" ? `[${part}]` : `${i > 0 ? "." : ""}${part}`))
    .join("");
}

/** Turns what zod found into problems: one for each unknown key, with the nearest known one. */
export function readIssues(error: z.ZodError): readonly { readonly path: Path; readonly message: string }[] {
  return error.issues.flatMap((issue) => {
    const path = issue.path.map((part) => (typeof part === "number" ? part : String(part)));
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => ({ path: [...path, key], message: unknownKey(key, path) }));
    }
    const inner = issue.code === "invalid_key" ? issue.issues[0]?.message : undefined;
    return [{ path, message: (inner ?? issue.message).replace(/^Invalid (input|option): /, "") }];
  });
}

function unknownKey(key: string, path: Path): string {
  const known = knownKeys(path);
  const closest = nearest(key, known);
  if (closest !== undefined) return `unknown key; the nearest known one is "${closest}"`;
  return known.length === 0 ? "unknown key" : `unknown key; known here: ${byNearness(key, known).join(", ")}`;
}

/** The keys that may stand at a path, read from the schema. */
function knownKeys(path: Path): readonly string[] {
  let node: Branch | undefined = configSchema() as Branch;
  for (const part of path) {
    node = typeof part === "number" ? node?.items : (node?.properties?.[part] ?? node?.additionalProperties);
  }
  return Object.keys(node?.properties ?? {});
}

interface Branch {
  readonly properties?: Readonly<Record<string, Branch>>;
  readonly additionalProperties?: Branch;
  readonly items?: Branch;
}

/** JSON Schema of config.json, for `auth-broker config schema` and for editors. */
export function configSchema(): object {
  return { title: "auth-broker config.json", ...z.toJSONSchema(fileSchema, { io: "input" }) };
}
