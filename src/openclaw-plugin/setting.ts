import type { ProfileKind, WatchOptions } from "../client/index.ts";
import type { Model } from "./host.ts";

/** OpenClaw's name of the provider, and of the plugin. */
export const PROVIDER = "authbroker";

/** Which of the broker's profiles serve. */
export interface Choice {
  /** Provider id of the broker. */
  readonly provider?: string;
  readonly pool?: string;
  /** Kinds of profile to choose from. */
  readonly kinds?: readonly ProfileKind[];
}

/** `plugins.entries.authbroker.config`; OpenClaw checks it against openclaw.plugin.json first. */
export interface Setting extends Choice {
  /** The broker's socket. Default: as for every client. */
  readonly socket?: string;
  /** What is different for single models, by model id. */
  readonly models?: Readonly<Record<string, Choice>>;
}

const DEFAULT_PROVIDER = "openai-codex";

/** What to ask the broker for before a request to this model. */
export function wanted(setting: Setting, model: Pick<Model, "id" | "api">): WatchOptions {
  const own = setting.models?.[model.id];
  const kinds = own?.kinds ?? setting.kinds ?? kindsFor(model.api);
  const pool = own?.pool ?? setting.pool;
  return {
    provider: own?.provider ?? setting.provider ?? DEFAULT_PROVIDER,
    model: model.id,
    ...(pool !== undefined && { pool }),
    ...(kinds !== undefined && { kinds }),
  };
}

/** Providers of the broker that serve some model. */
export function providersOf({ provider, models = {} }: Setting): ReadonlySet<string> {
  const own = Object.values(models).map((choice) => choice.provider ?? provider ?? DEFAULT_PROVIDER);
  return new Set([provider ?? (own.length === 0 ? DEFAULT_PROVIDER : undefined), ...own].filter(isText));
}

function isText(value: string | undefined): value is string {
  return value !== undefined;
}

/** The vendor of this wire format allows its subscription logins in its own client only. */
function kindsFor(api: string): readonly ProfileKind[] | undefined {
  return api === "anthropic-messages" ? ["API_KEY"] : undefined;
}
