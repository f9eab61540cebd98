import { type Command, Option } from "commander";
import { lengthText, localTime } from "../client/when.ts";
import type { Config } from "../config.ts";
import { canonicalProvider } from "../domain/alias.ts";
import type { Outcome, Scope, UsageWindow } from "../domain/outcome.ts";
import { type ProviderResponse, RESPONSE_SOURCES } from "../provider/provider.ts";
import { formatTimestamp, timestampOf } from "../rpc/instants.ts";
import { invalid } from "./command-error.ts";
import { here } from "./here.ts";
import { jsonOption, oneOf } from "./options.ts";
import { note, print, printJson } from "./output.ts";
import { readResponse } from "./response-file.ts";
import { sheet, table } from "./table.ts";

const SOURCES = [...RESPONSE_SOURCES, "TOKEN_ENDPOINT"] as const;
type Source = (typeof SOURCES)[number];

interface ExplainOptions {
  readonly response: string;
  readonly model?: string;
  readonly source?: Source;
  readonly json?: boolean;
}

/** What was read out of an answer. */
interface Explanation {
  readonly outcome: Outcome;
  readonly scope: Scope;
  readonly retryAtMs?: number;
  readonly ban?: true;
  readonly windows: readonly UsageWindow[];
  readonly rule: string;
  /** Of a token endpoint: is the refresh token spent? */
  readonly isTerminal?: boolean;
}

const EXAMPLE = `
Works without a broker, by the rules in config.json and the built-in ones. FILE (- is standard input)
holds the JSON of a ProviderResponse, with "bodyText" as another way to write "body", or an HTTP
response as text, as curl -i prints it.

Example:
  $ curl -is "$URL" | auth-broker explain-response anthropic --response -`;

export function defineExplainResponse(command: Command): void {
  jsonOption(command.argument("<provider>", "such as openai-codex"))
    .requiredOption("--response <file>", "the provider's raw answer")
    .option("--model <name>", "model that was asked")
    .addOption(
      new Option("--source <source>", `where it came from: ${SOURCES.join(", ").toLowerCase()}`).argParser(
        oneOf(SOURCES),
      ),
    )
    .addHelpText("after", EXAMPLE)
    .action(async (provider: string, options: ExplainOptions) => {
      const [config, response] = await Promise.all([configHere(), responseIn(options)]);
      const source = options.source ?? response.source;
      const read = await explained(canonicalProvider(provider), response, source, config);
      if (options.json) printJson(explanationJson(read, source, response.receivedAtMs));
      else print(explanationText(read, response.receivedAtMs));
    });
}

async function configHere(): Promise<Config> {
  const { loadConfig } = await import("../config.ts");
  return loadConfig(here().configFile);
}

async function responseIn({ response, model = "", source }: ExplainOptions): Promise<ProviderResponse> {
  const twin = await readResponse(response);
  const [{ fromTwin }, { read }, { providerResponse, responseOf }] = await Promise.all([
    import("../rpc/json.ts"),
    import("../rpc/fields.ts"),
    import("../rpc/provider-response.ts"),
  ]);
  const unset = {
    source: "RESPONSE_SOURCE_UNSPECIFIED",
    httpStatus: 0,
    headers: {},
    body: new Uint8Array(),
    transportError: "",
    receiveTime: null,
  };
  const message = { ...unset, ...fromTwin("authbroker.v1.ProviderResponse", twin) };
  const given = responseOf(read(providerResponse, message), Date.now());
  const isOfModel = source !== undefined && source !== "TOKEN_ENDPOINT";
  return { ...given, model, ...(isOfModel ? { source } : {}) };
}

async function explained(
  provider: string,
  response: ProviderResponse,
  source: Source,
  config: Config,
): Promise<Explanation> {
  if (!/^[a-z0-9][\w.-]{0,255}$/i.test(provider)) {
    throw invalid("the provider must be an id, such as openai-codex");
  }
  if (source === "TOKEN_ENDPOINT") return tokenExplained(provider, response);
  const { buildProviders } = await import("../provider/registry.ts");
  const providers = buildProviders(config);
  if (providers.get(provider) === undefined) {
    note(`${provider} is neither built in nor configured; this is how any such provider is read`);
  }
  return providers.providerFor(provider).classify(response, config.settings.cooldown);
}

async function tokenExplained(provider: string, response: ProviderResponse): Promise<Explanation> {
  const { classifyTokenEndpoint, readTokenError } = await import("../provider/classify.ts");
  const error = readTokenError({ ...response, providerId: provider, status: response.httpStatus });
  const { outcome, scope } = classifyTokenEndpoint(provider, response);
  return {
    outcome,
    scope,
    ...(error.kind === "not_now" && error.retryAtMs !== undefined ? { retryAtMs: error.retryAtMs } : {}),
    windows: [],
    rule: `token.${error.code}`,
    isTerminal: error.kind === "terminal",
  };
}

function explanationText(read: Explanation, receivedAtMs: number): string {
  const { outcome, scope, retryAtMs, ban, windows, rule, isTerminal } = read;
  const facts = sheet([
    ["outcome", outcome],
    ["scope", scope],
    ["reset", retryAtMs === undefined ? "none stated" : momentText(retryAtMs, receivedAtMs)],
    ["ban", ban ? "yes: the provider closed the account" : undefined],
    ["login", isTerminal === undefined ? undefined : isTerminal ? "over: a new one is needed" : "not spent"],
    ["rule", rule],
  ]);
  if (windows.length === 0) return facts;
  const rows = windows.map(({ name, usedPercent, windowMinutes, resetAtMs }) => [
    name,
    usedPercent === undefined ? "" : `${Math.round(usedPercent)} %`,
    windowMinutes === undefined ? "" : lengthText(windowMinutes * 60_000),
    resetAtMs === undefined ? "" : momentText(resetAtMs, receivedAtMs),
  ]);
  return `${facts}\n\n${table(["WINDOW", "USED", "LENGTH", "STARTS ANEW"], rows)}`;
}

/** In UTC, on this machine's clock, and counted from the arrival of the answer. */
function momentText(atMs: number, receivedAtMs: number): string {
  return `${instant(atMs)}, here ${localTime(atMs, Date.now())}, ${lengthText(atMs - receivedAtMs)} after the answer`;
}

function explanationJson(read: Explanation, source: Source, receivedAtMs: number): unknown {
  const { outcome, scope, retryAtMs, ban = false, windows, rule, isTerminal } = read;
  return {
    source: `RESPONSE_SOURCE_${source}`,
    outcome: `OUTCOME_${outcome}`,
    scope: `SCOPE_${scope}`,
    retryTime: retryAtMs === undefined ? null : instant(retryAtMs),
    receiveTime: instant(receivedAtMs),
    ban,
    ...(isTerminal === undefined ? {} : { terminal: isTerminal }),
    rule,
    usageWindows: windows.map(({ resetAtMs, observedAtMs, isPartial: _isPartial, ...rest }) => ({
      ...rest,
      resetTime: resetAtMs === undefined ? null : instant(resetAtMs),
      observeTime: instant(observedAtMs),
    })),
  };
}

/** As proto3 JSON prints it. */
function instant(atMs: number): string {
  return formatTimestamp(timestampOf(atMs));
}
