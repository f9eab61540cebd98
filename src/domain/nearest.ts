/** How many changes (insert, delete or replace a letter, swap two) lie between two texts, letter case aside. */
export function editDistance(left: string, right: string): number {
  const a = left.toLowerCase();
  const b = right.toLowerCase();
  let last: readonly number[] = [];
  let row: readonly number[] = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwap ? (last[j - 2] ?? 0) + 1 : replaced;
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, replaced, swapped));
    }
    last = row;
    row = next;
  }
  return row[b.length] ?? 0;
}

/** One change for every four letters: more makes another word of it (`version`, `session`). */
const LETTERS_PER_CHANGE = 4;

/**
 * The known text that was probably meant: a slip or two away, or one of whose parts is what was given
 * (`codex` of `openai-codex`). Undefined if none is that near.
 */
export function nearest(given: string, known: readonly string[]): string | undefined {
  const [best] = byNearness(given, known);
  const most = Math.max(1, Math.floor(given.length / LETTERS_PER_CHANGE));
  if (best !== undefined && editDistance(given, best) <= most) return best;
  return known.find((text) => text.split("-").includes(given.toLowerCase()));
}

/** The known texts, the nearest first. */
export function byNearness(given: string, known: readonly string[]): readonly string[] {
  return known
    .map((text) => ({ text, distance: editDistance(given, text) }))
    .sort((a, b) => a.distance - b.distance)
    .map(({ text }) => text);
}
