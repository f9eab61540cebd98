import { describe, expect, test } from "vitest";
import { layOut, sheet } from "../../src/cli/table.ts";

describe("a layout", () => {
  test("aligns columns and leaves no blanks at the end", () => {
    expect(
      layOut([
        ["a", "bb", "c"],
        ["aaa", "", "cc"],
        ["a", "b", ""],
      ]),
    ).toEqual(["a    bb  c", "aaa      cc", "a    b"]);
  });

  test("cuts the last column at the width, and nothing without one", () => {
    const rows = [["id", "a sentence that is long"]];
    expect(layOut(rows, 14)).toEqual(["id  a sentenc…"]);
    expect(layOut(rows, 27)).toEqual(["id  a sentence that is long"]);
    expect(layOut(rows)).toEqual(["id  a sentence that is long"]);
  });

  test("does not cut what would then say nothing", () => {
    expect(layOut([["a-very-long-identifier", "text"]], 10)).toEqual(["a-very-long-identifier  text"]);
  });

  test("counts letters, not bytes or halves of surrogate pairs", () => {
    expect(
      layOut([
        ["a…b", "x"],
        ["😀", "y"],
      ]),
    ).toEqual(["a…b  x", "😀    y"]);
  });

  test("lets nothing through that drives a terminal or turns text around", () => {
    expect(layOut([["\u001b[2Jx", "a\nb\r\u009bc\u202ed\u2066"]])).toEqual(["?[2Jx  a?b??c?d?"]);
  });

  test("of nothing is nothing", () => {
    expect(layOut([])).toEqual([]);
  });
});

test("a sheet leaves out what has no value", () => {
  expect(
    sheet([
      ["plan", "plus"],
      ["account", ""],
      ["ends", undefined],
      ["kind", "oauth"],
    ]),
  ).toBe("plan  plus\nkind  oauth");
});
