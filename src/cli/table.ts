import { paint, plain, terminalWidth } from "./output.ts";

const GAP = "  ";
/** A last column narrower than this is left whole; it would say nothing. */
const NARROWEST = 8;

/**
 * Lines of a table with aligned columns. With a `width`, the last column is cut so that no line is
 * longer. Texts are made safe for a terminal.
 */
export function layOut(rows: readonly (readonly string[])[], width?: number): readonly string[] {
  const cells = rows.map((row) => row.map((cell) => plain(cell)));
  const widths: number[] = [];
  for (const row of cells) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, lengthOf(cell));
    });
  }
  return cells.map((row) => {
    const line = row.map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - lengthOf(cell)));
    return cutTo(line.join(GAP).trimEnd(), row, widths, width);
  });
}

/** A table under a header, as wide as the terminal if there is one. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const [first = "", ...rest] = layOut([header, ...rows], terminalWidth());
  return [paint("bold", first), ...rest].join("\n");
}

/** Names with their values, one a line; those without a value are left out. */
export function sheet(entries: readonly (readonly [string, string | undefined])[]): string {
  const rows = entries.flatMap(([name, value]) =>
    value === undefined || value === "" ? [] : [[name, value]],
  );
  return layOut(rows).join("\n");
}

function cutTo(
  line: string,
  row: readonly string[],
  widths: readonly number[],
  width: number | undefined,
): string {
  if (width === undefined || lengthOf(line) <= width) return line;
  const before = widths.slice(0, row.length - 1).reduce((sum, one) => sum + one + GAP.length, 0);
  if (width - before < NARROWEST) return line;
  return `${[...line].slice(0, width - 1).join("")}…`;
}

function lengthOf(text: string): number {
  return [...text].length;
}
