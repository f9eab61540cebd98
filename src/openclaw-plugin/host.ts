/**
 * What the plugin uses of OpenClaw's plugin API, written down from its published types (2026.9.6): it is
 * far too big to be a dependency, and it gives itself to the plugin at run time.
 */

/** What `register` gets. */
export interface PluginApi {
  /** `plugins.entries.authbroker.config`. */
  readonly pluginConfig?: Readonly<Record<string, unknown>>;
  registerProvider(provider: ProviderPlugin): void;
}

/** A provider of models, as far as this one is made of it. */
export interface ProviderPlugin {
  readonly id: string;
  readonly label: string;
  readonly auth: readonly AuthMethod[];
  readonly prepareRuntimeAuth: (context: { readonly apiKey: string }) => Promise<{ readonly apiKey: string }>;
  /** Around every model request of an agent. */
  readonly wrapStreamFn: (context: WrapContext) => StreamFn | undefined;
  /** Around every other model request, such as a summary. */
  readonly wrapSimpleCompletionStreamFn: (context: WrapContext) => StreamFn | undefined;
  readonly resolveUsageAuth: () => { readonly token: string };
  readonly fetchUsageSnapshot: (context: { readonly signal?: AbortSignal }) => Promise<UsageSnapshot>;
}

export interface WrapContext {
  readonly streamFn?: StreamFn | undefined;
}

/** Sends one model request. Failures are events of the stream. */
export type StreamFn = (
  model: Model,
  context: unknown,
  options?: StreamOptions,
) => EventStream | Promise<EventStream>;

export interface Model {
  readonly id: string;
  /** Wire format. */
  readonly api: string;
  readonly provider: string;
  readonly baseUrl?: string;
}

export interface StreamOptions {
  readonly signal?: AbortSignal;
  /** The conversation, as OpenClaw names it. */
  readonly sessionId?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Called when headers have come; of a refused request by some wire formats only. */
  readonly onResponse?: (response: HttpHead, model: Model) => void | Promise<void>;
}

export interface HttpHead {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

export interface EventStream extends AsyncIterable<StreamEvent> {
  /** The last message, whether it is an answer or an error. */
  result(): Promise<AssistantMessage>;
}

export type StreamEvent =
  | { readonly type: "done"; readonly message: AssistantMessage }
  | { readonly type: "error"; readonly reason: "aborted" | "error"; readonly error: AssistantMessage }
  | { readonly type: "start" | "text_start" | "thinking_start" | "text_delta" | "thinking_delta" }
  | { readonly type: "text_end" | "thinking_end" | "toolcall_start" | "toolcall_delta" | "toolcall_end" };

export interface AssistantMessage {
  readonly role: "assistant";
  readonly content: readonly unknown[];
  readonly api: string;
  readonly provider: string;
  readonly model: string;
  readonly usage: unknown;
  readonly stopReason: string;
  readonly timestamp: number;
  readonly errorMessage?: string;
  /** The provider's code, else the status, else the code of a broken connection. */
  readonly errorCode?: string;
  /** Up to 500 characters of the refusal. */
  readonly errorBody?: string;
}

/** What `/status` and `/usage` show of a provider. */
export interface UsageSnapshot {
  readonly provider: string;
  readonly displayName: string;
  readonly windows: readonly {
    readonly label: string;
    readonly usedPercent: number;
    readonly resetAt?: number;
  }[];
  readonly summary?: string;
  readonly error?: string;
}

/** One way to log in, for `openclaw models auth login --provider authbroker`. */
export interface AuthMethod {
  readonly id: string;
  readonly label: string;
  readonly hint: string;
  readonly kind: "custom";
  readonly run: (context: AuthContext) => Promise<AuthResult>;
}

export interface AuthContext {
  readonly config: { readonly models?: { readonly providers?: Readonly<Record<string, ModelProvider>> } };
  readonly prompter: Prompter;
}

/** `models.providers.<id>` of openclaw.json. */
export interface ModelProvider {
  readonly models?: readonly { readonly id: string }[];
}

export interface Prompter {
  text(question: {
    readonly message: string;
    readonly placeholder?: string;
    readonly validate?: (value: string | undefined) => string | undefined;
  }): Promise<string>;
  select<T extends string>(question: {
    readonly message: string;
    readonly options: readonly { readonly value: T; readonly label: string; readonly hint?: string }[];
  }): Promise<T>;
}

export interface AuthResult {
  readonly profiles: readonly {
    readonly profileId: string;
    readonly credential: { readonly type: "token"; readonly provider: string; readonly token: string };
  }[];
  readonly configPatch: object;
  readonly defaultModel: string;
  readonly notes: readonly string[];
}
