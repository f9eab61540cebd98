import type { Command } from "commander";
import type { Message } from "../rpc/schema.ts";
import { answerJson, ask, dial } from "./call.ts";
import { jsonOption, wantsJson } from "./options.ts";
import { note, plain, print, printJson } from "./output.ts";
import {
  bare,
  nextStep,
  type ProfileView,
  profileView,
  profileViews,
  stateText,
  untilText,
} from "./profile-view.ts";

/** A refresh may wait for others of the same client before its own 30 s. */
const REFRESH_MS = 65_000;

interface Change {
  readonly name: string;
  readonly description: string;
  readonly method: string;
  readonly example: string;
  readonly request?: Message;
  readonly waitMs?: number;
  /** What to say if the profile was such that nothing changed; empty if something did. */
  readonly without?: (before: ProfileView) => string;
}

/** Commands that take one profile and answer with it. */
const CHANGES: readonly Change[] = [
  {
    name: "enable",
    description: "switch a profile on; also ends a block",
    method: "UpdateProfile",
    request: { enabled: true },
    without: ({ enabled, state }) =>
      enabled && bare(state) !== "BLOCKED" ? "it was switched on already" : "",
    example: "enable openai-codex:work",
  },
  {
    name: "disable",
    description: "switch a profile off",
    method: "UpdateProfile",
    request: { enabled: false },
    example: "disable openai-codex:work",
  },
  {
    name: "refresh",
    description: "refresh a profile's token now",
    method: "RefreshProfile",
    waitMs: REFRESH_MS,
    example: "refresh openai-codex:work",
  },
];

/** Adds everything that changes a profile without a secret. */
export function defineChanges(profiles: Command): void {
  for (const change of CHANGES) {
    one(profiles, change).action((profile: string, _options, command: Command) =>
      apply(change.method, { profile, ...change.request }, command, change.waitMs, change.without),
    );
  }
  one(profiles, {
    name: "clear-cooldown",
    description: "end a profile's cooldowns before their time; without a model also a block",
    method: "ClearCooldown",
    example: "clear-cooldown openai-codex:work --model gpt-5.6-terra",
  })
    .option("--model <name>", "only those of this model")
    .action((profile: string, { model = "" }: { model?: string }, command: Command) =>
      apply("ClearCooldown", { profile, model }, command, 0, (before) =>
        isClear(before, model) ? "nothing to clear" : "",
      ),
    );
  one(profiles, {
    name: "remove",
    description: "remove a profile and its login for good",
    method: "DeleteProfile",
    example: "remove openai-codex:work",
  }).action(async (profile: string, _options, command: Command) => {
    const answer = await ask("profile", "DeleteProfile", { profile });
    if (wantsJson(command)) printJson(answerJson("DeleteProfile", answer));
    else print(`removed ${plain(profile)}`);
  });
  defineAcknowledge(profiles);
}

function defineAcknowledge(profiles: Command): void {
  jsonOption(profiles.command("acknowledge").description("let go the profiles that are held since a ban"))
    .argument("<provider>", "such as openai-codex")
    .addHelpText("after", "\nExample:\n  $ auth-broker profiles acknowledge openai-codex")
    .action(async (provider: string, _options, command: Command) => {
      const answer = await ask("profile", "AcknowledgeBan", { provider });
      if (wantsJson(command)) return printJson(answerJson("AcknowledgeBan", answer));
      const freed = profileViews(answer.profiles);
      print(
        freed.length === 0 ? "no profile was held" : freed.map((view) => `let go ${shown(view)}`).join("\n"),
      );
    });
}

function one(profiles: Command, { name, description, example }: Change): Command {
  return jsonOption(profiles.command(name).description(description))
    .argument("<id>", "<provider>:<label>")
    .addHelpText("after", `\nExample:\n  $ auth-broker profiles ${example}`);
}

async function apply(
  method: string,
  request: Message,
  command: Command,
  waitMs?: number,
  without?: Change["without"],
): Promise<void> {
  using line = await dial("profile");
  const asJson = wantsJson(command);
  const before =
    without === undefined || asJson ? undefined : await line.call("GetProfile", { profile: request.profile });
  const answer = await line.call(method, request, waitMs);
  if (asJson) return printJson(answerJson(method, answer));
  const view = profileView(answer.profile as Message);
  print(shown(view));
  const idle = before && without?.(profileView(before.profile as Message));
  if (idle) note(`${plain(view.profile)}: ${idle}`);
  if (without !== undefined && nextStep(view) !== "") note(`still needs: ${plain(nextStep(view))}`);
  noteOutside(view);
}

/** True if a profile has nothing that a clear would end. */
function isClear({ state, cooldowns }: ProfileView, model: string): boolean {
  const isHeld = model === "" && ["BLOCKED", "COOLING_DOWN"].includes(bare(state));
  return !isHeld && !cooldowns.some((cooldown) => model === "" || cooldown.model === model);
}

/** Says so when a profile will never serve because an explicit order leaves it out. */
export function noteOutside({ profile, provider, order }: ProfileView): void {
  if (order !== 0) return;
  note(
    `${plain(profile)} stands outside the explicit order of ${plain(provider)} and is never used; ` +
      `to change that: auth-broker profiles order ${plain(provider)} ID…`,
  );
}

/** One profile on one line. */
export function shown(view: ProfileView): string {
  const until = untilText(view, Date.now());
  return plain(`${view.profile}  ${stateText(view)}${until === "" ? "" : `  until ${until}`}`);
}
