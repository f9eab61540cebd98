import type { Config, OperatorRule, ProviderConfig } from "../config.ts";
import { canonicalProvider } from "../domain/alias.ts";
import type { Redirect } from "../domain/login.ts";
import { BUILT_IN_PROVIDERS, type BuiltInProvider, isBuiltIn } from "../domain/provider-ids.ts";
import { accountOf } from "./account.ts";
import { anthropic } from "./anthropic.ts";
import { readClientSecret } from "./client-secret.ts";
import type { OAuthDefinition, ProviderDefinition } from "./definition.ts";
import { ownProvider } from "./generic.ts";
import { githubCopilot } from "./github-copilot.ts";
import { googleAntigravity } from "./google-antigravity.ts";
import { googleGeminiCli } from "./google-gemini-cli.ts";
import { bearer, withTemplates } from "./headers.ts";
import { kimi } from "./kimi.ts";
import { loadDialects } from "./late.ts";
import { minimax } from "./minimax.ts";
import { openaiApi } from "./openai-api.ts";
import { openaiCodex } from "./openai-codex.ts";
import { openrouter } from "./openrouter.ts";
import type { Classify, LoginTraits, OAuthClient, Provider, UsageEndpoint } from "./provider.ts";
import { qwen } from "./qwen.ts";
import { xai } from "./xai.ts";

const BUILT_IN: Readonly<Record<BuiltInProvider, ProviderDefinition>> = {
  "openai-codex": openaiCodex,
  "openai-api": openaiApi,
  anthropic,
  "google-gemini-cli": googleGeminiCli,
  "google-antigravity": googleAntigravity,
  "github-copilot": githubCopilot,
  qwen,
  kimi,
  xai,
  minimax,
  openrouter,
};

/** All providers that are known: the built-in ones and those of the configuration. */
export interface Providers {
  /** Canonical ids, the built-in ones first. */
  readonly ids: readonly string[];
  /** The provider of an id (aliases accepted) that is built in or configured. */
  get(id: string): Provider | undefined;
  /** As `get`; for any other id one with API keys and bare tokens, since it may own profiles all the same. */
  providerFor(id: string): Provider;
}

/** Puts the operator's settings over the built-in data, and the operator's rules before the built-in reading. */
export function buildProviders({ providers, rules }: Pick<Config, "providers" | "rules">): Providers {
  const ids = [...new Set<string>([...BUILT_IN_PROVIDERS, ...providers.keys()])];
  const known = new Map(ids.map((id) => [id, buildProvider(id, providers.get(id) ?? {}, rules)]));
  const get = (id: string) => known.get(canonicalProvider(id));
  return { ids, get, providerFor: (id) => get(id) ?? buildProvider(id, {}, rules) };
}

function buildProvider(id: string, settings: ProviderConfig, rules: readonly OperatorRule[]): Provider {
  const definition = isBuiltIn(id) ? BUILT_IN[id] : ownProvider(settings);
  const oauth = oauthOf(id, definition.oauth, settings);
  const costClass = settings.costClass === "metered" ? "METERED" : "SUBSCRIPTION";
  const { order = [], policy } = settings;
  const usage = usageOf(definition, settings);
  return {
    id,
    ...(oauth === undefined ? {} : { oauth }),
    baseUrl: settings.baseUrl ?? "",
    costClass,
    apiKeyCostClass: settings.costClass === undefined ? "METERED" : costClass,
    strategy: settings.strategy ?? "ordered",
    ...(order.length === 0 ? {} : { order }),
    meteredFallback: settings.meteredFallback ?? false,
    policy:
      policy === undefined
        ? definition.policy
        : {
            failover: policy.failover,
            source: policy.source ?? "configuration",
            readOn: policy.readOn ?? "",
          },
    verifiedAt: definition.verifiedAt ?? "",
    ...(usage === undefined ? {} : { usage }),
    headers: withTemplates(definition.headers ?? bearer, settings.headers ?? {}),
    ...(definition.baseUrlOf === undefined ? {} : { baseUrlOf: definition.baseUrlOf }),
    accountOf,
    classify: classifierOf(id, rules),
  };
}

function classifierOf(id: string, rules: readonly OperatorRule[]): Provider["classify"] {
  let classify: Classify | undefined;
  return async (response, limits) => {
    if (classify === undefined) {
      const { classifyFor, withRules } = await loadDialects();
      classify ??= withRules(classifyFor(id), rules, id);
    }
    return classify(response, limits);
  };
}

/**
 * Where usage is read. A token goes to no other server than the operator's own, if there is one: the
 * vendor's address serves only logins of the vendor.
 */
function usageOf(
  { usage }: ProviderDefinition,
  { usageUrl, usagePolling, tokenUrl, baseUrl }: ProviderConfig,
): UsageEndpoint | undefined {
  if (usagePolling === false) return undefined;
  if (usageUrl !== undefined) return { ...usage, url: usageUrl };
  return tokenUrl === undefined && baseUrl === undefined ? usage : undefined;
}

/** A built-in provider without OAuth gets one when the operator gives a token URL and a client. */
function oauthOf(
  id: string,
  builtIn: OAuthDefinition | undefined,
  settings: ProviderConfig,
): OAuthClient | undefined {
  const definition = builtIn ?? ownProvider(settings).oauth;
  if (definition === undefined || settings.type === "api-key") return undefined;
  const {
    secretAuth = "basic",
    revokeUrl,
    userinfoUrl,
    derivedTokenUrl,
    issuer: builtInIssuer,
    login,
    ...data
  } = definition;
  const { clientSecret } = settings;
  // What a server of the operator's choice gave goes to no other server.
  const sameServer = settings.tokenUrl === undefined ? { revokeUrl, userinfoUrl, derivedTokenUrl } : {};
  const traits = loginOf(login, settings);
  const isElsewhere = settings.tokenUrl !== undefined || settings.authorizeUrl !== undefined;
  const issuer = settings.issuer ?? (isElsewhere ? undefined : builtInIssuer);
  return {
    rotation: settings.grantType === "client_credentials" ? "none" : "strict",
    ...data,
    ...present(sameServer),
    ...overrides(settings),
    ...(issuer === undefined ? {} : { issuer }),
    ...(Object.keys(traits).length === 0 ? {} : { login: traits }),
    ...(clientSecret === undefined ? {} : { clientSecret: () => readClientSecret(clientSecret) }),
    providerId: id,
    clientAuth: settings.clientAuth ?? (clientSecret === undefined ? "none" : secretAuth),
    rotationGraceMs: settings.rotationGrace ?? 30_000,
    refreshAt: settings.refreshAt ?? 0.8,
  };
}

/**
 * How people log in, after the operator's overrides. The vendor's own page shows codes of its own server
 * only, and a vendor's own device dialect is known by its address.
 */
function loginOf(builtIn: LoginTraits = {}, settings: ProviderConfig): LoginTraits {
  const { pasteRedirect: builtInPaste, device, ...traits } = builtIn;
  const { redirectUrl, authorizeUrl, deviceUrl } = settings;
  const pasteRedirect = settings.pasteRedirectUrl ?? (authorizeUrl === undefined ? builtInPaste : undefined);
  const ending = device === "codex" ? "/deviceauth/usercode" : "/oauth/code";
  const isDialect = deviceUrl === undefined || deviceUrl.endsWith(ending);
  return {
    ...traits,
    ...(device === undefined || !isDialect ? {} : { device }),
    ...(pasteRedirect === undefined ? {} : { pasteRedirect }),
    ...(redirectUrl === undefined ? {} : { redirect: redirectIn(redirectUrl) }),
  };
}

function redirectIn(text: string): Redirect {
  const { hostname, port, pathname } = new URL(text);
  return {
    host: hostname === "localhost" ? "localhost" : "127.0.0.1",
    ports: port === "" ? [] : [Number(port)],
    path: pathname,
  };
}

/** The settings that replace data of the same name as they are. */
function overrides(settings: ProviderConfig): Partial<OAuthClient> {
  const { tokenUrl, authorizeUrl, deviceUrl, revokeUrl, userinfoUrl, derivedTokenUrl } = settings;
  const { grantType, clientId, body, scopes, rotation } = settings;
  const urls = { tokenUrl, authorizeUrl, deviceUrl, revokeUrl, userinfoUrl, derivedTokenUrl };
  return present({ ...urls, grantType, clientId, body, scopes, rotation });
}

function present<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
