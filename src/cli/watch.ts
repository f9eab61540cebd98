import type { Command } from "commander";
import { moment } from "../client/when.ts";
import { atMsOf, type Seconds } from "../rpc/instants.ts";
import { readUnavailable } from "../rpc/remote.ts";
import type { Message } from "../rpc/schema.ts";
import { answerJson, dial } from "./call.ts";
import { invalid } from "./command-error.ts";
import { grantedOf } from "./granted.ts";
import { requestOf, type Wishes, wishOptions } from "./options.ts";
import { plain, print, printJsonLine } from "./output.ts";
import { profileViews, stateText, untilText } from "./profile-view.ts";

const EXAMPLE = `
With a provider: which profile serves, at once and at every change; tokens are shown with --json only.
Without: the state of all profiles. Runs until it is ended or the broker goes.

Example:
  $ auth-broker watch openai-codex --model gpt-5.6-terra`;

export function defineWatch(command: Command): void {
  wishOptions(command.argument("[provider]", "such as openai-codex"))
    .addHelpText("after", EXAMPLE)
    .action(async (provider: string | undefined, wishes: Wishes) => {
      if (provider !== undefined) return watchCredential(provider, wishes);
      const { json, ...others } = wishes;
      if (Object.keys(others).length > 0) {
        throw invalid("to watch a credential, name its provider", "auth-broker watch PROVIDER …");
      }
      await watchProfiles(json === true);
    });
}

async function watchCredential(provider: string, wishes: Wishes): Promise<void> {
  using line = await dial("credential");
  for await (const state of line.stream("WatchCredential", requestOf(provider, wishes))) {
    if (wishes.json) printJsonLine(answerJson("WatchCredential", state));
    else print(credentialLine(state, Date.now()));
  }
}

async function watchProfiles(asJson: boolean): Promise<void> {
  using line = await dial("profile");
  for await (const change of line.stream("WatchProfiles", { provider: "" })) {
    if (asJson) printJsonLine(answerJson("WatchProfiles", change));
    else for (const text of profileLines(change, Date.now())) print(text);
  }
}

/** One state of a watch, or the `next` of a report: what serves, or why nothing does. */
export function credentialLine(state: Message, nowMs: number): string {
  if (state.granted === undefined) {
    const { reason, message, retryTime, help } = readUnavailable(state.unavailable as Message);
    const again = retryTime === undefined ? "" : `; again at ${moment(retryTime, nowMs)}`;
    return plain(
      `unavailable  ${reason}  ${message}${again}${help === undefined ? "" : `; what helps: ${help}`}`,
    );
  }
  const { lease, credential } = grantedOf(state.granted as Message);
  const ends: Seconds | null = credential.oauth?.expireTime ?? null;
  const until = ends === null ? "" : `  until ${moment(new Date(atMsOf(ends)), nowMs)}`;
  return plain(`${lease.profile}  generation ${lease.generation}${until}`);
}

function profileLines(change: Message, nowMs: number): readonly string[] {
  const shown = profileViews(change.profiles).map((view) => {
    const until = untilText(view, nowMs);
    return plain(`${view.profile}  ${stateText(view)}${until === "" ? "" : `  until ${until}`}`);
  });
  return [...shown, ...(change.removed as readonly string[]).map((id) => plain(`${id}  removed`))];
}
