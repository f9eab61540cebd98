import { moment } from "../client/when.ts";
import type { CommandError } from "./command-error.ts";
import { plain } from "./output.ts";
import { layOut } from "./table.ts";

/** What a person reads about a failure: what happened, why for each profile, when and how it ends. */
export function errorLines(error: CommandError, nowMs: number): readonly string[] {
  const reasons = error.profiles.map(({ profile, reason, untilTime }) => [
    profile,
    reason,
    untilTime === undefined ? "" : `until ${moment(untilTime, nowMs)}`,
  ]);
  return [
    `auth-broker: ${tidy(error.message)}`,
    ...layOut(reasons).map((line) => `  ${line}`),
    ...nextSteps(error, nowMs).map((step) => `  ${step}`),
  ];
}

/** The same on one line, for callers that show no more. */
export function errorLine(error: CommandError, nowMs: number): string {
  const message = error.message.split("\n").map((line) => plain(line.trim()));
  return [`auth-broker: ${message.join(" ").replace(/\.$/, "")}`, ...nextSteps(error, nowMs)].join("; ");
}

function nextSteps({ message, help, retryTime }: CommandError, nowMs: number): readonly string[] {
  return [
    ...(retryTime === undefined ? [] : [`again at ${moment(retryTime, nowMs)}`]),
    ...(help === "" || message.includes(help) ? [] : [`what helps: ${plain(help)}`]),
  ];
}

/** Messages of several lines (a configuration's problems) keep them. */
function tidy(message: string): string {
  return message.split("\n").map(plain).join("\n");
}
