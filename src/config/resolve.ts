import { canonicalProfileId, canonicalProvider } from "../domain/alias.ts";
import { editDistance, nearest } from "../domain/nearest.ts";
import { BUILT_IN_PROVIDERS, isBuiltIn } from "../domain/provider-ids.ts";
import { type Backoff, DEFAULT_SETTINGS, type Settings, type SteppedOutcome } from "../domain/settings.ts";
import type { Address } from "../endpoint/address.ts";
import type { KeySourceKind } from "../store/key-source.ts";
import type { Path } from "./problem.ts";
import type { ProviderConfig } from "./provider-schema.ts";
import type { OperatorRule } from "./rule-schema.ts";
import type { FileConfig } from "./schema.ts";

/** One more agent endpoint with its own policy. */
export interface EndpointConfig {
  readonly name: string;
  readonly address: Address;
  /** Empty: all. */
  readonly providers: readonly string[];
  /** Empty: all. */
  readonly profiles: readonly string[];
  readonly allow: {
    /** Empty: the broker's own user. */
    readonly uids: readonly number[];
    /** Empty, here and below: any. */
    readonly executables: readonly string[];
    readonly units: readonly string[];
  };
  /** Acquires per minute. Absent, here and below: no limit. */
  readonly rate?: number;
  readonly mostLeases?: number;
  readonly confirm?: {
    readonly command: readonly string[];
    readonly timeoutMs: number;
    readonly rememberMs: number;
  };
  /** False: `auth-broker token` is refused. */
  readonly token?: boolean;
}

/** Where the key that seals the records is kept. */
export interface KeyConfig {
  readonly source: KeySourceKind;
  /** The program that prints it and its arguments. There with `command`; else perhaps, for a change. */
  readonly command?: readonly string[];
  /** Absent: nobody but an operator locks. */
  readonly lockAfterMs?: number;
}

/** What the operator decided, every default filled in, durations in milliseconds. */
export interface Config {
  /** What is set for providers, by canonical id. */
  readonly providers: ReadonlyMap<string, ProviderConfig>;
  readonly settings: Settings;
  readonly endpoints: readonly EndpointConfig[];
  /** In the order in which they are tried, each with a canonical provider id or none. */
  readonly rules: readonly OperatorRule[];
  readonly key: KeyConfig;
  /** `proxy` absent: as the environment says. */
  readonly network: { readonly proxy?: string; readonly caFile?: string };
  readonly notify: { readonly command?: readonly string[]; readonly desktop: boolean };
  /** `strict`: does not start where the process cannot be shielded as it should be. */
  readonly hardening: "standard" | "strict";
  readonly audit: { readonly fileBytes: number; readonly files: number };
  readonly log: { readonly level: "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent" };
}

const AUDIT_FILE_BYTES = 8 * 1024 * 1024;
const AUDIT_FILES = 8;

export type Report = (path: Path, message: string) => void;

/** Fills in defaults, rewrites old names, and reports what contradicts itself. */
export function resolve(file: FileConfig, report: Report): Config {
  const { proxy, caFile } = file.network ?? {};
  return {
    providers: resolveProviders(file.providers ?? {}, report),
    settings: resolveSettings(file, report),
    endpoints: resolveEndpoints(file.endpoints ?? [], report),
    rules: resolveRules(file, report),
    key: resolveKey(file.key ?? {}, report),
    network: { ...(proxy ? { proxy } : {}), ...(caFile ? { caFile } : {}) },
    notify: {
      ...(file.notify?.command === undefined ? {} : { command: file.notify.command }),
      desktop: file.notify?.desktop ?? true,
    },
    hardening: file.hardening ?? "standard",
    audit: { fileBytes: file.audit?.fileBytes ?? AUDIT_FILE_BYTES, files: file.audit?.files ?? AUDIT_FILES },
    log: { level: file.log?.level ?? "info" },
  };
}

function resolveKey({ source = "file", command, lockAfter }: NonNullable<FileConfig["key"]>, report: Report) {
  if (source === "command" && command === undefined) {
    report(["key", "source"], '"command" needs "command", the program and its arguments');
  }
  return {
    source,
    ...(command === undefined ? {} : { command }),
    ...(lockAfter === undefined ? {} : { lockAfterMs: lockAfter }),
  };
}

function resolveProviders(
  given: Readonly<Record<string, ProviderConfig>>,
  report: Report,
): ReadonlyMap<string, ProviderConfig> {
  const providers = new Map<string, ProviderConfig>();
  for (const [name, settings] of Object.entries(given)) {
    const id = canonicalProvider(name);
    if (providers.has(id)) report(["providers", name], `"openai" and "${id}" are the same provider`);
    if (settings.type === undefined) checkName(name, ["providers", name], report);
    checkOAuth(name, settings, report);
    providers.set(id, withCanonicalOrder(id, settings));
  }
  return providers;
}

function withCanonicalOrder(id: string, settings: ProviderConfig): ProviderConfig {
  if (settings.order === undefined) return settings;
  const kind = id === "openai-api" ? "api_key" : undefined;
  return { ...settings, order: [...new Set(settings.order.map((entry) => canonicalProfileId(entry, kind)))] };
}

/** A name that is neither built in nor typed may be the operator's own, unless it looks like a slip. */
function checkName(name: string, path: Path, report: Report): void {
  if (isBuiltIn(canonicalProvider(name))) return;
  const closest = nearest(name, BUILT_IN_PROVIDERS);
  if (closest === undefined || editDistance(name, closest) > 2) return;
  report(
    path,
    `no such provider is built in; the nearest one is "${closest}". A provider of your own needs "type"`,
  );
}

function resolveRules({ rules = [], providers = {} }: FileConfig, report: Report): readonly OperatorRule[] {
  const own = new Set(Object.keys(providers));
  const names = new Set<string>();
  return rules.map((rule, i) => {
    if (names.has(rule.name)) report(["rules", i, "name"], `"${rule.name}" is taken`);
    names.add(rule.name);
    const { provider } = rule.match;
    if (provider === undefined) return rule;
    if (!own.has(provider)) checkName(provider, ["rules", i, "match", "provider"], report);
    return { ...rule, match: { ...rule.match, provider: canonicalProvider(provider) } };
  });
}

function checkOAuth(name: string, settings: ProviderConfig, report: Report): void {
  const at = (key: string): Path => ["providers", name, key];
  const { type, tokenUrl, issuer, clientId, clientSecret, clientAuth, grantType } = settings;
  const isOwn = !isBuiltIn(canonicalProvider(name));
  if (type === "generic-oauth2" && isOwn) {
    if (tokenUrl === undefined && issuer === undefined) {
      report(at("tokenUrl"), 'is needed for generic-oauth2, or an "issuer" whose metadata name it');
    }
    if (clientId === undefined) report(at("clientId"), "is needed for generic-oauth2");
  }
  if (grantType === "client_credentials" && clientSecret === undefined) {
    report(at("grantType"), '"client_credentials" needs "clientSecret"');
  }
  if (clientAuth === "none" && clientSecret !== undefined) {
    report(at("clientAuth"), '"none" would leave "clientSecret" unused');
  }
  if (clientAuth !== undefined && clientAuth !== "none" && clientSecret === undefined) {
    report(at("clientAuth"), `"${clientAuth}" needs "clientSecret"`);
  }
}

function resolveSettings(file: FileConfig, report: Report): Settings {
  const { cooldown = {}, session = {}, refresh = {}, usage = {} } = file;
  const was = DEFAULT_SETTINGS;
  const step = (outcome: SteppedOutcome): Backoff => {
    const { base, cap } = cooldown[outcome] ?? {};
    const baseMs = base ?? was.cooldown.steps[outcome].baseMs;
    if (cap !== undefined && cap < baseMs)
      report(["cooldown", outcome, "cap"], '"cap" is shorter than "base"');
    return { baseMs, capMs: cap ?? Math.max(baseMs, was.cooldown.steps[outcome].capMs) };
  };
  const connectTimeoutMs = refresh.connectTimeout ?? was.refresh.connectTimeoutMs;
  return {
    cooldown: {
      steps: {
        RATE_LIMIT: step("RATE_LIMIT"),
        USAGE_LIMIT: step("USAGE_LIMIT"),
        BILLING: step("BILLING"),
        TIMEOUT: step("TIMEOUT"),
        OVERLOADED: step("OVERLOADED"),
        SERVER_ERROR: step("SERVER_ERROR"),
      },
      longestWindowMs: cooldown.longestWindow ?? was.cooldown.longestWindowMs,
      banBrake: cooldown.banBrake ?? was.cooldown.banBrake,
    },
    session: {
      idleLimitMs: session.idleLimit ?? was.session.idleLimitMs,
      homeWithinMs: session.homeWithin ?? was.session.homeWithinMs,
    },
    refresh: {
      lanes: refresh.lanes ?? was.refresh.lanes,
      minIntervalMs: refresh.minInterval ?? was.refresh.minIntervalMs,
      connectTimeoutMs,
      totalTimeoutMs: refresh.totalTimeout ?? was.refresh.totalTimeoutMs,
    },
    usage: {
      isPolled: usage.poll ?? was.usage.isPolled,
      intervalMs: usage.interval ?? was.usage.intervalMs,
    },
  };
}

const CONFIRM_MS = 30_000;

function resolveConfirm({
  command,
  timeout = CONFIRM_MS,
  remember = 0,
}: NonNullable<NonNullable<FileConfig["endpoints"]>[number]["confirm"]>): NonNullable<
  EndpointConfig["confirm"]
> {
  return { command, timeoutMs: timeout, rememberMs: remember };
}

const RESERVED_ENDPOINTS = ["agent", "admin"];

function resolveEndpoints(given: NonNullable<FileConfig["endpoints"]>, report: Report): EndpointConfig[] {
  const names = new Set(RESERVED_ENDPOINTS);
  return given.map((endpoint, i) => {
    if (names.has(endpoint.name)) report(["endpoints", i, "name"], `"${endpoint.name}" is taken`);
    names.add(endpoint.name);
    return {
      name: endpoint.name,
      address: endpoint.path,
      providers: (endpoint.providers ?? []).map(canonicalProvider),
      profiles: (endpoint.profiles ?? []).map((id) => canonicalProfileId(id)),
      allow: {
        uids: endpoint.allow?.uids ?? [],
        executables: endpoint.allow?.executables ?? [],
        units: endpoint.allow?.units ?? [],
      },
      ...(endpoint.rate === undefined ? {} : { rate: endpoint.rate }),
      ...(endpoint.mostLeases === undefined ? {} : { mostLeases: endpoint.mostLeases }),
      ...(endpoint.confirm === undefined ? {} : { confirm: resolveConfirm(endpoint.confirm) }),
      ...(endpoint.token === undefined ? {} : { token: endpoint.token }),
    };
  });
}
