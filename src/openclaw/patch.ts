/** A part of OpenClaw's configuration, as `openclaw config patch` merges it; null takes a value away. */
export interface Patch {
  readonly [key: string]: unknown;
}

/**
 * What takes a patch back: for every value that it sets, the one that stood there before, or null. A branch
 * that was not there at all goes as a whole. `now`: the configuration by then; what somebody has changed
 * since is left as it is, and named in `kept`.
 */
export function inverse(
  patch: Patch,
  before: unknown,
  now: unknown,
): { readonly patch: Patch; readonly kept: readonly string[] } {
  const kept: string[] = [];
  const undo = (wrote: unknown, old: unknown, current: unknown, path: string): unknown => {
    if (isObject(wrote) && isObject(current)) {
      if (old === undefined && isSame(wrote, current)) return null;
      const parts = Object.entries(wrote).map(([key, value]) => {
        const part = undo(value, field(old, key), field(current, key), path === "" ? key : `${path}.${key}`);
        return [key, part] as const;
      });
      return Object.fromEntries(parts.filter(([, part]) => part !== undefined));
    }
    if (current === undefined && old === undefined) return undefined;
    if (isSame(wrote, current)) return old ?? null;
    if (!isSame(current, old)) kept.push(path);
    return undefined;
  };
  return { patch: undo(patch, before ?? {}, now, "") as Patch, kept };
}

export function field(value: unknown, key: string): unknown {
  return isObject(value) ? value[key] : undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSame(a: unknown, b: unknown): boolean {
  if (isObject(a) && isObject(b)) {
    const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
    return [...keys].every((key) => isSame(a[key], b[key]));
  }
  return JSON.stringify(a) === JSON.stringify(b);
}
