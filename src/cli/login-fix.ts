import { dial, type Line } from "./call.ts";
import { CommandError } from "./command-error.ts";
import { errorLine } from "./error-text.ts";
import { type LoginOptions, logIn } from "./login-follow.ts";
import { logInWithKey } from "./login-key.ts";
import { note, plain, print } from "./output.ts";
import { allProfiles } from "./profile-pages.ts";
import { bare, type ProfileView, profileViews, stateText } from "./profile-view.ts";

/**
 * Logs in, one after the other, every profile of a provider (empty: of all) that only a login brings
 * back. Goes on after a failure; rejects with `CommandError` in the end if there was one.
 */
export async function fixLogins(provider: string, options: LoginOptions): Promise<void> {
  const dead = (await listed(provider)).filter(needsLogin);
  if (dead.length === 0 && !options.json) print("no profile needs a login");
  using line = await dial("login");
  const failed: string[] = [];
  for (const [index, view] of dead.entries()) {
    note(
      `${index + 1} of ${dead.length}: ${plain(view.profile)} ${plain(view.accountHint)} ${stateText(view)}`,
    );
    if (!(await mended(line, view, options))) failed.push(view.profile);
  }
  if (failed.length === 0) return;
  throw new CommandError(78, `still without a login: ${failed.join(", ")}`, {
    help: "auth-broker login --fix",
  });
}

async function listed(provider: string): Promise<readonly ProfileView[]> {
  using line = await dial("profile");
  return profileViews((await allProfiles(line, provider)).profiles);
}

/** A doubt is ended by a login, too. */
function needsLogin({ state, stateReason }: ProfileView): boolean {
  return ["NEEDS_LOGIN", "REFRESH_IN_DOUBT"].includes(bare(state)) || stateReason === "LOGIN_REQUIRED";
}

async function mended(line: Line, view: ProfileView, options: LoginOptions): Promise<boolean> {
  const label = view.profile.slice(view.profile.indexOf(":") + 1);
  const isKey = bare(view.kind) === "API_KEY";
  // What is piped in is nobody's answer to this question.
  if (isKey && process.stdin.isTTY !== true) {
    note(`a new key is needed: auth-broker login ${plain(view.provider)} --label ${plain(label)} --api-key`);
    return false;
  }
  try {
    if (isKey) await logInWithKey(view.provider, { ...options, label });
    else await logIn(line, view.provider, { ...options, label });
    return true;
  } catch (error) {
    // A broker that is gone is gone for the others, too.
    if (!(error instanceof CommandError) || error.exit === 69) throw error;
    note(errorLine(error, Date.now()));
    return false;
  }
}
