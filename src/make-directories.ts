import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a directory and what is missing above it, level by level, and gives what was made, outermost first.
 * Node's own `recursive` tries for ever where something says ENOENT under a parent that exists, as /proc does.
 * Throws the system's error: EEXIST or ENOTDIR for what is no directory.
 */
export function makeDirectories(path: string, mode = 0o777): readonly string[] {
  try {
    return makeOne(path, mode);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || dirname(path) === path) throw error;
  }
  return [...makeDirectories(dirname(path), mode), ...makeOne(path, mode)];
}

function makeOne(path: string, mode: number): readonly string[] {
  try {
    mkdirSync(path, { mode });
    return [path];
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code === "EEXIST" && statSync(path).isDirectory();
    if (isThere) return [];
    throw error;
  }
}
