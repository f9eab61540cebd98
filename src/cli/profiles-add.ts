import { type Command, Option } from "commander";
import { OWNERSHIPS } from "../domain/profile.ts";
import { fromTwin } from "../rpc/json.ts";
import type { Message } from "../rpc/schema.ts";
import { answerJson, ask } from "./call.ts";
import { CommandError, invalid } from "./command-error.ts";
import { parseObject, readSecretInput } from "./input.ts";
import { bareSecret } from "./login-key.ts";
import { collect, jsonOption, named, oneOf, wantsJson } from "./options.ts";
import { plain, print, printJson } from "./output.ts";
import { profileView } from "./profile-view.ts";
import { noteOutside, shown } from "./profiles-change.ts";

interface AddOptions {
  readonly apiKey?: boolean;
  readonly token?: boolean;
  readonly fromFile?: string;
  readonly pool?: readonly string[];
  readonly baseUrl?: string;
  readonly disabled?: boolean;
  readonly ownership?: string;
  readonly allowAccountChange?: boolean;
}

const EXAMPLE = `
The secret comes from standard input or a file, never from an argument: the bare text with --api-key or
--token, else JSON with the fields of PutProfile, such as
  {"oauth":{"accessToken":"…","refreshToken":"…"}}  {"token":{"token":"…"}}  {"apiKey":{"key":"…"}}

Example:
  $ pass show work/openai | auth-broker profiles add openai-api:work --api-key
  $ auth-broker profiles add openai-codex:work --from-file login.json`;

export function defineAdd(command: Command): void {
  const ownership = new Option("--ownership <who>", "who else holds the login: sole, shared or unknown");
  jsonOption(command)
    .argument("<id>", "<provider>:<label>")
    .addOption(new Option("--api-key", "the input is an API key").conflicts("token"))
    .option("--token", "the input is a bearer token")
    .option("--from-file <file>", "read this instead of standard input", named)
    .option("--pool <name>", "put it into this pool (may be repeated)", collect)
    .option("--base-url <url>", "where clients send requests")
    .option("--disabled", "add it switched off")
    .addOption(ownership.argParser(oneOf(OWNERSHIPS)))
    .option("--allow-account-change", "let the id pass to another account")
    .allowExcessArguments()
    .addHelpText("after", EXAMPLE)
    .action(async (profile: string, options: AddOptions) => {
      if (command.args.length > 1) throw secretArgument(profile, options);
      const request = withOptions(await readGrant(profile, options), profile, options);
      const answer = await ask("profile", "PutProfile", request);
      if (wantsJson(command)) return printJson(answerJson("PutProfile", answer));
      const view = profileView(answer.profile as Message);
      print(`added ${shown(view)}`);
      noteOutside(view);
    });
}

/** Says nothing of what stood there. */
function secretArgument(profile: string, { apiKey, token }: AddOptions): CommandError {
  const flag = apiKey ? " --api-key" : token ? " --token" : "";
  return new CommandError(
    64,
    "only the id is an argument: a secret is read from standard input or --from-file, where no other program sees it",
    { help: `auth-broker profiles add ${plain(profile)}${flag}, then paste it` },
  );
}

async function readGrant(profile: string, options: AddOptions): Promise<Message> {
  const { fromFile = "-", apiKey, token } = options;
  if (apiKey || token) {
    const what = apiKey ? "API key" : "token";
    const secret = bareSecret(await readSecretInput(fromFile, `${what} for ${profile}: `, "line"), what);
    return apiKey ? { apiKey: { key: secret } } : { token: { token: secret } };
  }
  const name = fromFile === "-" ? "standard input" : fromFile;
  const text = await readSecretInput(fromFile, `JSON for ${profile}, then Ctrl-D: `, "end");
  const given = parseObject(text, name);
  if ("tokens" in given && ("last_refresh" in given || "OPENAI_API_KEY" in given)) {
    const file = fromFile === "-" ? "FILE" : plain(fromFile);
    throw invalid(`${name} is an auth.json of Codex`, `auth-broker import codex --from ${file}`);
  }
  return fromTwin("authbroker.v1.PutProfileRequest", given);
}

function withOptions(grant: Message, profile: string, options: AddOptions): Message {
  if (grant.profile !== undefined && grant.profile !== profile) {
    throw invalid("the input is for another profile than the one named", 'leave out "profile" there');
  }
  return {
    ...grant,
    profile,
    ...(options.pool !== undefined && { pools: options.pool }),
    ...(options.baseUrl !== undefined && { baseUrl: options.baseUrl }),
    ...(options.disabled && { enabled: false }),
    ...(options.ownership !== undefined && { ownership: `OWNERSHIP_${options.ownership}` }),
    ...(options.allowAccountChange && { allowAccountChange: true }),
  };
}
