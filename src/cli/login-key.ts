import type { Message } from "../rpc/schema.ts";
import { answerJson, ask } from "./call.ts";
import { CommandError, invalid } from "./command-error.ts";
import { readSecretInput } from "./input.ts";
import { plain, print, printJsonLine } from "./output.ts";
import { profileView } from "./profile-view.ts";
import { noteOutside } from "./profiles-change.ts";

/** Reason of a broker for a provider that takes nothing but API keys. */
export const API_KEY_WANTED = "API_KEY_WANTED";

/**
 * The login of a provider with API keys: asks for one, hidden on a terminal, else on standard input, and
 * puts it into a profile of the broker's own. Rejects with `CommandError`.
 */
export async function logInWithKey(
  provider: string,
  { label = "default", json = false }: { readonly label?: string; readonly json?: boolean },
): Promise<void> {
  const profile = `${provider}:${label}`;
  const key = bareSecret(await readSecretInput("-", `API key for ${profile}: `, "line"), "API key");
  const request = { profile, apiKey: { key }, ownership: "OWNERSHIP_SOLE" };
  const answer = await ask("profile", "PutProfile", request);
  if (json) return printJsonLine(answerJson("PutProfile", answer));
  const view = profileView(answer.profile as Message);
  print(plain(`logged in: ${view.profile} (API key)`));
  noteOutside(view);
}

/** Blanks around it are an accident of copying; anything else that cannot be part of a header is refused. */
export function bareSecret(text: string, what: string): string {
  const secret = text.trim();
  if (secret === "") throw new CommandError(65, `no ${what} was given`);
  if (/^[\x21-\x7e]+$/.test(secret)) return secret;
  throw invalid(
    `the ${what} holds blanks, colour codes or letters that no ${what} has`,
    "copy it once more, without anything around it",
  );
}
