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

  test.for([
    ["exec resume --last hi", `exec resume ${ID} hi`],
    ["exec --json resume hi --last --all -m x", `exec --json resume ${ID} hi -m x`],
    ["resume --last -- --last", `resume ${ID} -- --last`],
    ["fork --last", `fork ${ID}`],
  ])("the last thread of %s can be named by its id", ([line = "", named]) => {
    const call = readCall(line.split(" "));
    expect(call.last).not.toBe("");
    expect(call.named(ID).join(" ")).toBe(named);
  });

  test("a fork is gone on with as a thread, an ephemeral one as one that is kept", () => {
    const words = ["exec", "--ephemeral", "fork", "--json", ID.replace("0", "f"), "hi"];
    expect(readCall(words).resume(ID)).toEqual(["exec", "resume", "--json", ID, "-"]);
  });

  test.for([
    ["app-server", true],
    ["-c a=1 app-server -c b=2 --listen stdio://", true],
    ["app-server --stdio", true],
    ["app-server --listen ws://127.0.0.1:1", false],
    ["app-server proxy", false],
    ["exec app-server", false],
  ] as const)("%s: speaks with a client on standard input: %s", ([line, isAppServer]) => {
    expect(readCall(line.split(" ")).isAppServer).toBe(isAppServer);
  });
});
