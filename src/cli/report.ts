import type { Command } from "commander";
import { lengthText, moment } from "../client/when.ts";
import { OUTCOMES } from "../domain/outcome.ts";
import { fromTwin, toTwin } from "../rpc/json.ts";
import type { Message } from "../rpc/schema.ts";
import { answerJson, ask } from "./call.ts";
import { CommandError, invalid } from "./command-error.ts";
import { grantedSheet } from "./granted.ts";
import { jsonOption } from "./options.ts";
import { plain, print, printJson } from "./output.ts";
import { readResponse } from "./response-file.ts";
import { credentialLine } from "./watch.ts";

interface ReportOptions {
  readonly response?: string;
  readonly model?: string;
  readonly retryTime?: string;
  readonly responseStarted?: boolean;
  readonly next?: boolean;
  readonly json?: boolean;
}

const EXAMPLE = `
OUTCOME is one of ${OUTCOMES.join(", ")
  .replace(/(.{1,80})(?:, |$)/g, "\n  $1,")
  .replace(/,$/, ".")}
Or give the provider's raw answer, and the broker judges: --response FILE (- is standard input) holds
  the JSON of a ProviderResponse, with "bodyText" as another way to write "body", or
  an HTTP response as text, as curl -i prints it.

Example:
  $ auth-broker report "$LEASE" rate-limit --next
  $ curl -is "$URL" | auth-broker report "$LEASE" --response -`;

export function defineReport(command: Command): void {
  jsonOption(command)
    .argument("<lease>", "lease id of an acquire")
    .argument("[outcome]", "what happened")
    .option("--response <file>", "the provider's raw answer")
    .option("--model <name>", "model that was asked, if not the one of the acquire")
    .option("--retry-time <instant>", "when the provider said to come back, such as 2030-01-31T12:00:00Z")
    .option("--response-started", "a part of the answer was passed on already, so no retry is safe")
    .option("--next", "get the next credential for the same request")
    .addHelpText("after", EXAMPLE)
    .action(async (leaseId: string, outcome: string | undefined, options: ReportOptions) => {
      const request = fromTwin("authbroker.v1.ReportOutcomeRequest", {
        leaseId,
        ...(await whatHappened(outcome, options.response)),
        model: options.model,
        retryTime: options.retryTime,
        responseStarted: options.responseStarted,
        acquireNext: options.next,
      });
      const answer = await ask("credential", "ReportOutcome", request);
      if (options.json) printJson(answerJson("ReportOutcome", answer));
      else print(reportText(answer, Date.now()));
    });
}

async function whatHappened(outcome: string | undefined, response: string | undefined): Promise<object> {
  if (outcome !== undefined && response !== undefined) {
    throw new CommandError(64, "give either an outcome or --response, not both");
  }
  if (response !== undefined) return { providerResponse: await readResponse(response) };
  if (outcome === undefined) {
    throw new CommandError(64, "what happened is missing: give an outcome or --response", {
      help: "auth-broker report --help",
    });
  }
  const name = outcome
    .toUpperCase()
    .replaceAll("-", "_")
    .replace(/^OUTCOME_/, "");
  if ((OUTCOMES as readonly string[]).includes(name)) return { outcome: name };
  throw invalid(`"${plain(outcome)}" is no outcome`, `one of ${OUTCOMES.join(", ")}`);
}

interface Report {
  readonly applied: boolean;
  readonly ignoredReason: string;
  readonly outcome: string;
  readonly scope: string;
  readonly advice?: { readonly action: string; readonly delay?: number };
  readonly profileState: string;
  readonly retryTime?: Date;
}

function reportText(answer: Message, nowMs: number): string {
  const report = toTwin("authbroker.v1.ReportOutcomeResponse", answer) as unknown as Report;
  const scope = report.scope.replace("SCOPE_", "");
  const what = `${report.outcome.replace("OUTCOME_", "")}${scope === "NONE" ? "" : ` (${scope})`}`;
  const state = report.profileState.replace("PROFILE_STATE_", "");
  const ignored = report.ignoredReason.replace("IGNORED_REASON_", "");
  const lines = [
    report.applied ? `applied ${what}` : `not applied, ${ignored}: ${what}`,
    ...(state === "UNSPECIFIED" ? [] : [`the profile is ${state}`]),
    ...(report.retryTime === undefined ? [] : [`this limit ends at ${moment(report.retryTime, nowMs)}`]),
    ...(report.advice === undefined ? [] : [adviceText(report.advice)]),
  ];
  const next = answer.next as Message | null;
  return [lines.join("; "), ...(next === null ? [] : [nextText(next, nowMs)])].join("\n");
}

function adviceText({ action, delay = 0 }: { readonly action: string; readonly delay?: number }): string {
  const when = delay === 0 ? "" : ` in ${lengthText(delay)}`;
  return `advice: ${action.replace("ADVICE_ACTION_", "")}${when}`;
}

function nextText(next: Message, nowMs: number): string {
  return next.granted === undefined
    ? credentialLine(next, nowMs)
    : grantedSheet(next.granted as Message, nowMs);
}
