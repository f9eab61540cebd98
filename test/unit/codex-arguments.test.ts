import { describe, expect, test } from "vitest";
import { readCall } from "../../src/codex/arguments.ts";

const ID = "01a214d3-6179-7900-ba54-1880e53feaa2";

describe("a command line of Codex", () => {
  test.for([
    ["", "", ""],
    ["fix exec", "", ""],
    ["-m gpt-5.4 exec hi", "exec", ""],
    ["e hi", "exec", ""],
    ["-c a=1 --enable x exec --json resume --last", "exec", "resume"],
    ["exec hi resume", "exec", ""],
    ["login status", "login", "status"],
    ["-- login", "", ""],
    ["--search logout", "logout", ""],
    ["resume", "resume", ""],
  ])("%s: command %s, subcommand %s", ([line = "", command, subcommand]) => {
    const args = line === "fix exec" ? [line] : line.split(" ").filter(Boolean);
    expect(readCall(args)).toMatchObject({ command, subcommand });
  });

  test.for(["-m x", "-mx", "-m=x", "--model x", "--model=x", "-m y -m x", "exec -m x hi"])(
    "the model of %s is x",
    (line) => {
      expect(readCall(line.split(" ")).model).toBe("x");
    },
  );

  test("what is set by -c is known by its keys, however it is written", () => {
    const call = readCall(["-c", "a.b=1", "--config=c = 2", "exec", "-cd=3", "hi", "--", "-c", "e=4"]);
    expect(call.overrides).toEqual(["a.b", "c", "d"]);
  });

  test("the thread that is resumed is known where its id is given", () => {
    expect(readCall(["resume", ID]).threadId).toBe(ID);
    expect(readCall(["exec", "resume", "--json", ID, "hi"]).threadId).toBe(ID);
    expect(readCall(["exec", ID]).threadId).toBeUndefined();
    expect(readCall(["resume", "--last"]).threadId).toBeUndefined();
  });

  test("help counts only where it is an option", () => {
    expect(readCall(["exec", "--help"]).isHelp).toBe(true);
    expect(readCall(["exec", "--", "--help"]).isHelp).toBe(false);
  });

  test("going on with a thread keeps the options and reads the prompt from standard input", () => {
    const line = [
      "-C",
      "dir",
      "exec",
      "--json",
      "-o",
      "out",
      "-i",
      "a.png",
      "b.png",
      "-s",
      "read-only",
      "hi",
    ];
    expect(readCall(line).resume(ID)).toEqual([
      ...["-C", "dir", "exec", "--json", "-o", "out", "-s", "read-only", "resume", ID, "-"],
    ]);
    expect(readCall(["exec", "--json", "--", "-hi"]).resume(ID)).toEqual([
      "exec",
      "--json",
      "resume",
      ID,
      "-",
    ]);
  });

  test("a resumed thread is resumed again, by its id", () => {
    expect(readCall(["exec", "resume", "--last", "--json", "hi"]).resume(ID)).toEqual([
      ...["exec", "resume", "--json", ID, "-"],
    ]);
  });
});
