import { Command, CommanderError } from "commander";
import { expect, test } from "vitest";
import { requestOf, type Wishes, waitOption, wishOptions } from "../../src/cli/options.ts";

function parsed(...args: string[]): Wishes {
  const command = waitOption(wishOptions(new Command("x")))
    .exitOverride()
    .configureOutput({ outputError: () => {} });
  command.parse(args, { from: "user" });
  return command.opts();
}

test("options become the fields of the request", () => {
  const wishes = parsed(
    ..."--model m --session s --pool p --kind oauth --kind API-KEY --profile a:b --min-valid-for 10m --max-wait 500ms".split(
      " ",
    ),
    ..."--exclude a:c --exclude a:d".split(" "),
  );
  expect(requestOf("a", wishes)).toEqual({
    provider: "a",
    model: "m",
    sessionId: "s",
    pool: "p",
    kinds: ["PROFILE_KIND_OAUTH", "PROFILE_KIND_API_KEY"],
    profile: "a:b",
    excludeProfiles: ["a:c", "a:d"],
    minValidFor: { seconds: 600, nanos: 0 },
    maxWait: { seconds: 0, nanos: 500_000_000 },
  });
});

test("what is not said is left to the broker; a duration of zero is said", () => {
  expect(requestOf("a", parsed())).toEqual({ provider: "a" });
  expect(requestOf("a", parsed("--min-valid-for", "0s"))).toEqual({
    provider: "a",
    minValidFor: { seconds: 0, nanos: 0 },
  });
});

test.each([
  [["--profile", ""], "must not be empty"],
  [["--pool", ""], "must not be empty"],
  [["--exclude", ""], "must not be empty"],
  [["--kind", "key"], "oauth, token, api_key"],
  [["--max-wait", "400d"], "366 days"],
  [["--max-wait", "-5s"], "such as 500ms"],
])("%j is refused", (args, why) => {
  expect(() => parsed(...args)).toThrow(CommanderError);
  expect(() => parsed(...args)).toThrow(why);
});
