import type { Command } from "commander";
import { durationOf } from "../rpc/instants.ts";
import { answerJson, ask, dial } from "./call.ts";
import { durationMs, jsonOption } from "./options.ts";
import { print, printJson, printJsonLine, redraw } from "./output.ts";
import { accountViews, usageText } from "./usage-view.ts";

interface Options {
  readonly watch?: boolean;
  readonly history?: boolean;
  readonly maxWait?: number;
  readonly json?: boolean;
}

const LOOK_MS = 10_000;
/** How often the countdowns are drawn anew. */
const REDRAW_MS = 10_000;
const NOTHING = "no account shows its usage: auth-broker login PROVIDER";

const EXAMPLE = `
Readings come from what agents report, and from the provider itself: at once where the last reading is older
than 5 minutes, with --watch every 10 minutes or so, and once or twice an hour while a plan limit runs.
Never with a model call.

Example:
  $ auth-broker usage openai-codex --watch`;

export function defineUsage(command: Command): void {
  jsonOption(command.argument("[provider]", "such as openai-codex; without it: all"))
    .option("--watch", "go on showing it until it is ended")
    .option("--history", "with the last 30 days")
    .option(
      "--max-wait <duration>",
      "how long to wait for new readings; 0s shows what is known (default: 10s)",
      durationMs,
    )
    .addHelpText("after", EXAMPLE)
    .action((provider = "", options: Options) =>
      options.watch === true ? follow(provider, options.json === true) : show(provider, options),
    );
}

async function show(provider: string, { json, history, maxWait = LOOK_MS }: Options): Promise<void> {
  const request = { provider, maxWait: durationOf(maxWait), history: history === true };
  const answer = await ask("status", "GetUsage", request, maxWait);
  if (json) return printJson(answerJson("GetUsage", answer));
  const accounts = accountViews(answer);
  print(accounts.length === 0 ? NOTHING : usageText(accounts, Date.now()));
}

/** On a terminal one picture that changes, else one paragraph a change. */
async function follow(provider: string, asJson: boolean): Promise<void> {
  using line = await dial("status");
  const draw = redraw();
  let picture = () => "";
  const ticking = process.stdout.isTTY && !asJson ? setInterval(() => draw(picture()), REDRAW_MS) : undefined;
  try {
    for await (const state of line.stream("WatchUsage", { provider })) {
      if (asJson) {
        printJsonLine(answerJson("WatchUsage", state));
        continue;
      }
      const accounts = accountViews(state);
      picture = () => (accounts.length === 0 ? NOTHING : usageText(accounts, Date.now()));
      draw(picture());
    }
  } finally {
    clearInterval(ticking);
  }
}
