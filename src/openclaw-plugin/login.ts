import type { AuthContext, AuthMethod, AuthResult, Prompter } from "./host.ts";
import { PROVIDER } from "./setting.ts";
import { type Api, ROUTES, type Route } from "./vendors.ts";

/** The one profile that OpenClaw keeps. Its token is no secret: it says only "ask the broker". */
const PROFILE_ID = `${PROVIDER}:pool`;
export const HANDLE = PROVIDER;
const OTHER = "other";
const APIS: readonly Api[] = ["openai-responses", "openai-completions", "anthropic-messages"];

/** `openclaw models auth login --provider authbroker`: makes the handle, and a model that uses it. */
export const localBroker: AuthMethod = {
  id: "local",
  label: "The broker on this machine",
  hint: "OpenClaw keeps a handle; the accounts stay with the broker",
  kind: "custom",
  run,
};

async function run({ config, prompter }: AuthContext): Promise<AuthResult> {
  const chosen = await prompter.select({
    message: "Which accounts of the broker",
    options: [
      ...ROUTES.map(({ provider, label }) => ({ value: provider, label, hint: provider })),
      { value: OTHER, label: "Another provider of the broker" },
    ],
  });
  const known = ROUTES.find(({ provider }) => provider === chosen) ?? (await otherRoute(prompter));
  const baseUrl = await text(prompter, "Address of the model API", known.baseUrl);
  const model = await text(prompter, "Model id", known.model);
  return handle({ ...known, baseUrl, model }, config);
}

async function otherRoute(prompter: Prompter): Promise<Route> {
  const provider = await text(prompter, "Provider id of the broker");
  const api = await prompter.select({
    message: "Wire format of its model API",
    options: APIS.map((value) => ({ value, label: value })),
  });
  return { provider, label: provider, api, baseUrl: "", model: "" };
}

/** Asks until there is a text; nothing typed means the default. */
async function text(prompter: Prompter, message: string, placeholder = ""): Promise<string> {
  const validate = (value: string | undefined) =>
    (value ?? "").trim() === "" && placeholder === "" ? "Required" : undefined;
  const typed = await prompter.text({ message, placeholder, validate });
  return typed.trim() === "" ? placeholder : typed.trim();
}

function handle({ provider, api, baseUrl, model, compat }: Route, config: AuthContext["config"]): AuthResult {
  const before = config.models?.providers?.[PROVIDER];
  const others = (before?.models ?? []).filter(({ id }) => id !== model);
  const row = { id: model, name: model, api, baseUrl, ...(compat !== undefined && { compat }) };
  return {
    profiles: [{ profileId: PROFILE_ID, credential: { type: "token", provider: PROVIDER, token: HANDLE } }],
    configPatch: {
      models: {
        mode: "merge",
        providers: { [PROVIDER]: { baseUrl, api, auth: "token", ...before, models: [...others, row] } },
      },
      plugins: { entries: { [PROVIDER]: { enabled: true, config: { models: { [model]: { provider } } } } } },
    },
    defaultModel: `${PROVIDER}/${model}`,
    notes: [
      `${PROVIDER}/${model} runs on the broker's accounts of ${provider}. Add more models by logging in again.`,
    ],
  };
}
