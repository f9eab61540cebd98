import { describe, expect, it } from "vitest";
import { asNumber, asObject, readJson } from "../../src/provider/dialect/loose-json.ts";
import { reading } from "../support/classified.ts";

/** As plain JSON: what the reader builds has no prototype. */
const read = (text: string) => JSON.parse(JSON.stringify(readJson(text) ?? null));

describe("what programs print in place of JSON", () => {
  it.each([
    ["{'a': True, 'b': False, 'c': None, 'd': 'x'}", { a: true, b: false, c: null, d: "x" }],
    [
      "{a: true, b: false, c: null, d: undefined, e: word}",
      { a: true, b: false, c: null, d: null, e: "word" },
    ],
    ["{a: 1, b: -2.5, c: 1e3, d: two words }", { a: 1, b: -2.5, c: 1000, d: "two words" }],
    ["{a: , b: 1}", { a: null, b: 1 }],
    ['{"a": "one\ntwo"}', { a: "one\ntwo" }],
    ['{"a": [1, "x", {"b": 2}, [3]], "c": 4', { a: [1, "x", { b: 2 }, [3]], c: 4 }],
    ["{'a': [1, 2], 'b': 3", { a: [1, 2], b: 3 }],
    ["['a', 'b'", ["a", "b"]],
    ["[1; 2: 3,, 4}", ["1; 2: 3", 4]],
    ['{"a": "it\'s", \'b\': \'say "x"\'}', { a: "it's", b: 'say "x"' }],
    ["{'a': 'x", { a: "x" }],
    ["{'a'", {}],
    ["{a b, c: 1}", { c: 1 }],
    ["{'a': 1}} rest", { a: 1 }],
    ["{'a': {'b': 1}, 'c': 2}", { a: { b: 1 }, c: 2 }],
    ["  \n{'a': 1}", { a: 1 }],
    ["{'a': 1\n'b': 2}", { a: 1, b: 2 }],
    ["{'a': 1 ]", { a: 1 }],
  ])("%j", (text, expected) => expect(read(text)).toEqual(expected));

  it("escapes in strings", () => {
    expect(read(String.raw`{'a': '\n\t\r\b\f\\\'\/\"\u00e9\uD83D\uDE00\uzz x'}`)).toEqual({
      a: "\n\t\r\b\f\\'/\"é😀uzz x",
    });
    expect(read(String.raw`{'a': 'x\'y', 'b': 'z'}`)).toEqual({ a: "x'y", b: "z" });
    expect(read(String.raw`{'a': 'x\\', 'b': 'z'}`)).toEqual({ a: "x\\", b: "z" });
    expect(read("{'a': 'x\\")).toEqual({ a: "x" });
  });

  it.each(["", "word", '"text"x', "'text'", "12 {", "-"])("%j is nothing of the kind", (text) => {
    expect(asObject(readJson(text))).toBeUndefined();
  });

  it("a long text is read up to 64 KiB, and up to 2000 parts of it", () => {
    const long = `{"a": "${"x".repeat(17_000)}", "b": 1`;
    expect(read(`${long}}`).b).toBe(1);
    expect(read(`{"a": "${"x".repeat(65_536)}", "b": 1}`)).not.toHaveProperty("b");
    const many = (count: number) => `{'a': [${"1,".repeat(count)}1], 'b': 2}`;
    expect(read(many(1_900))).toHaveProperty("b");
    expect(read(many(2_100))).not.toHaveProperty("b");
  });
});

it.each([
  [1, 1],
  ["1", 1],
  [" 1.5 ", 1.5],
  ["", undefined],
  ["  ", undefined],
  ["x", undefined],
  ["0".repeat(32), 0],
  ["0".repeat(33), undefined],
  [true, undefined],
  [null, undefined],
  [[1], undefined],
  [Number.POSITIVE_INFINITY, undefined],
  ["1e999", undefined],
])("%j is the number %j", (value, expected) => expect(asNumber(value)).toBe(expected));

describe("an error object inside prose", () => {
  const spent = "USAGE_LIMIT PROFILE 60000";
  it.each([
    [`x {"code":"usage_limit_reached","retry_after":60}`, spent],
    [`x {'code': 'usage_limit_reached', 'retry_after': 60}`, spent],
    [`x { code: "usage_limit_reached", retry_after: 60 }`, spent],
    [`x {a:1,"code":"usage_limit_reached","retry_after":60}`, spent],
    [`x {Z:1,"code":"usage_limit_reached","retry_after":60}`, spent],
    [`x {@:1,"code":"usage_limit_reached","retry_after":60}`, "USAGE_LIMIT PROFILE"],
    [`x {[:1,"code":"usage_limit_reached","retry_after":60}`, "USAGE_LIMIT PROFILE"],
    [String.raw`x {\"code\":\"usage_limit_reached\",\"retry_after\":60}`, spent],
    [String.raw`x {\n  \"code\": \"usage_limit_reached\",\n \"retry_after\": 60\n}`, spent],
    [`x {} {} {} {"code":"arrearage"}`, "BILLING PROFILE"],
    [`x {} {} {} {} {"code":"arrearage"}`, "UNRECOGNIZED NONE"],
    [`x {0} {"code":"arrearage"}`, "BILLING PROFILE"],
    [`{"x":1} "code":"arrearage"`, "UNRECOGNIZED NONE"],
  ])("%s", (body, expected) => expect(reading("own", { httpStatus: 418, body })).toBe(expected));

  it("tells by its message, too", () => {
    const body = String.raw`x {"message":"You\u0027ve hit your usage limit"}`;
    expect(reading("own", { body })).toBe("USAGE_LIMIT PROFILE");
  });

  it("leaves the prose before it to be read for a status, not the prose after", () => {
    expect(reading("own", { body: 'HTTP 402: {"message":"odd"}' })).toBe("BILLING PROFILE");
    expect(reading("own", { body: 'x {"message":"odd"} HTTP 402: x' })).toBe("UNRECOGNIZED NONE");
    expect(reading("own", { body: String.raw`x {\"message\":\"odd\"} HTTP 402: x` })).toBe(
      "UNRECOGNIZED NONE",
    );
    expect(reading("own", { body: String.raw`HTTP 402: {\"message\":\"odd\"}` })).toBe("BILLING PROFILE");
  });
});
