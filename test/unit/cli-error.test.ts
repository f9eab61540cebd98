import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { CommandError, commandErrorOf } from "../../src/cli/command-error.ts";
import { errorLine, errorLines } from "../../src/cli/error-text.ts";
import { ConfigError } from "../../src/config.ts";
import { BrokerFailure } from "../../src/domain/failure.ts";
import { EndpointError } from "../../src/endpoint/error.ts";
import { ImportError } from "../../src/import/file.ts";
import { StoreError } from "../../src/store/store.ts";

const NOW_MS = Date.parse("2030-01-01T12:00:00Z");

describe("what was thrown becomes the exit code of its kind", () => {
  const violations = [{ field: "min_valid_for", description: "must be a duration" }];
  test.each([
    [new CommandError(66, "x"), 66, "NOT_FOUND"],
    [new BrokerFailure({ kind: "field_invalid", violations }), 64, "INVALID_ARGUMENT"],
    [
      new BrokerFailure({ kind: "store_unavailable", path: "/s", cause: "no space", mend: "make room" }),
      74,
      "UNAVAILABLE",
    ],
    [new ImportError(65, "/f", "is empty"), 65, "INVALID_ARGUMENT"],
    [new ImportError(77, "/f", "no permission"), 77, "PERMISSION_DENIED"],
    [new EndpointError(75, "taken"), 75, "UNAVAILABLE"],
    [new EndpointError(78, "relative"), 78, "FAILED_PRECONDITION"],
    [new ConfigError("/c", [{ path: "", message: "bad" }]), 78, "FAILED_PRECONDITION"],
    [new StoreError("locked", "/s", "another broker", "stop it"), 75, "UNAVAILABLE"],
    [new StoreError("full", "/s", "no space", "make room"), 74, "UNAVAILABLE"],
    [new TypeError("oops"), 70, "INTERNAL"],
    ["a text", 70, "INTERNAL"],
  ])("%s", (thrown, exit, code) => {
    expect(commandErrorOf(thrown)).toMatchObject({ exit, code });
  });

  test("a locked state says what to do", () => {
    const error = commandErrorOf(
      new StoreError("locked", "/s/lock", "another broker (process 7) owns this state", "stop it"),
    );
    expect(error).toMatchObject({
      message: "another broker (process 7) owns this state (/s/lock)",
      help: "stop it",
    });
  });

  test("a wrong call is 64, asking for help is no error", () => {
    const thrownBy = (...args: string[]): unknown => {
      const command = new Command("x")
        .exitOverride()
        .configureOutput({ writeOut: () => {}, outputError: () => {} });
      try {
        command.option("--api-key").parse(args, { from: "user" });
      } catch (thrown) {
        return thrown;
      }
      throw new Error("nothing was thrown");
    };
    expect(commandErrorOf(thrownBy("--help"))).toBeUndefined();
    expect(commandErrorOf(thrownBy("--nothing"), "x --help")).toMatchObject({ exit: 64, help: "x --help" });
    const secret = commandErrorOf(thrownBy("--api-key=sk-FAKE-1"));
    expect(secret?.message).toContain("'--api-key'");
    expect(secret?.message).not.toContain("FAKE");
  });
});

describe("a failure is told to a person", () => {
  const error = new CommandError(75, "openai-codex: every profile is cooling down", {
    reason: "ALL_COOLING_DOWN",
    help: "auth-broker explain openai-codex",
    retryTime: new Date(NOW_MS + 7_500_000),
    profiles: [
      { profile: "openai-codex:a", reason: "COOLING_DOWN", untilTime: new Date(NOW_MS + 7_500_000) },
      { profile: "openai-codex:work", reason: "DISABLED" },
    ],
  });

  test("with the reason of each profile, the moment and what helps", () => {
    const lines = errorLines(error, NOW_MS);
    expect(lines[0]).toBe("auth-broker: openai-codex: every profile is cooling down");
    expect(lines[1]).toMatch(/^ {2}openai-codex:a {5}COOLING_DOWN {2}until .+ \(in 2 h 5 min\)$/);
    expect(lines[2]).toBe("  openai-codex:work  DISABLED");
    expect(lines[3]).toMatch(/^ {2}again at .+ \(in 2 h 5 min\)$/);
    expect(lines[4]).toBe("  what helps: auth-broker explain openai-codex");
  });

  test("or on one line", () => {
    expect(errorLine(error, NOW_MS)).toMatch(
      /^auth-broker: openai-codex: .+; again at .+; what helps: auth-broker explain openai-codex$/,
    );
    const usage = new CommandError(64, "unknown option '--x'\n(Did you mean --y?)");
    expect(errorLine(usage, NOW_MS)).toBe("auth-broker: unknown option '--x' (Did you mean --y?)");
  });

  test("without repeating the help, and without control characters", () => {
    const absent = new CommandError(69, "nobody; start `auth-broker serve`\u001b[2J", {
      help: "auth-broker serve",
    });
    expect(errorLines(absent, NOW_MS)).toEqual(["auth-broker: nobody; start `auth-broker serve`?[2J"]);
  });
});
