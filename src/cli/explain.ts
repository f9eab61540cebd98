import { type Command, Option } from "commander";
import { moment } from "../client/when.ts";
import { toTwin } from "../rpc/json.ts";
import { answerJson, ask } from "./call.ts";
import { durationMs, requestOf, type Wishes, wishOptions } from "./options.ts";
import { print, printJson } from "./output.ts";
import { table } from "./table.ts";

interface Candidate {
  readonly profile: string;
  readonly rank: number;
  readonly reason: string;
  readonly untilTime?: Date;
  readonly message: string;
}

const EXAMPLE = `
Changes nothing. Number 1 is what an acquire would give now.

Example:
  $ auth-broker explain openai-codex --model gpt-5.6-terra`;

export function defineExplain(command: Command): void {
  wishOptions(command.argument("<provider>", "such as openai-codex"))
    // Taken as everywhere; there is nothing to wait for.
    .addOption(new Option("--max-wait <duration>").argParser(durationMs).hideHelp())
    .addHelpText("after", EXAMPLE)
    .action(async (provider: string, wishes: Wishes) => {
      const answer = await ask("status", "ExplainSelection", requestOf(provider, wishes));
      if (wishes.json) return printJson(answerJson("ExplainSelection", answer));
      const { candidates } = toTwin("authbroker.v1.ExplainSelectionResponse", answer);
      print(explanation(candidates as readonly Candidate[], Date.now()));
    });
}

function explanation(candidates: readonly Candidate[], nowMs: number): string {
  if (candidates.length === 0) return "there is no profile of this provider";
  const rows = candidates.map(({ profile, rank, reason, untilTime, message }) => [
    rank === 0 ? "-" : String(rank),
    profile,
    reason,
    untilTime === undefined ? "" : moment(untilTime, nowMs),
    message,
  ]);
  return table(["RANK", "PROFILE", "REASON", "UNTIL", "MEANING"], rows);
}
