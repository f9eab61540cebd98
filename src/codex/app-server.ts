import type { Credential } from "../client/index.ts";
import { jwtClaims } from "../domain/jwt.ts";
import { LaunchError } from "./error.ts";
import { type Fields, fieldsIn, fieldsOf, textOf } from "./fields.ts";
import { type TurnError, turnErrorOf, type Windows, windowsOf } from "./turn.ts";

/**
 * All that is known here of the app-server protocol of Codex 0.169: JSON-RPC without the version field, one
 * message a line. Codex marks logins from outside as unstable.
 */
export type RequestId = string | number;

/** What a client asks for, as far as it concerns its login. Any other message is `undefined`. */
export type Asked =
  | { readonly kind: "request" | "logout"; readonly id: RequestId }
  | { readonly kind: "initialize"; readonly id: RequestId; readonly client: string }
  | { readonly kind: "login"; readonly id: RequestId; readonly type: string }
  | {
      readonly kind: "turn";
      readonly id: RequestId;
      readonly threadId: string;
      readonly model: string | undefined;
    };

/** What a server says, as far as it concerns the login. Any other message is `undefined`. */
export type Said =
  | { readonly kind: "refresh"; readonly id: RequestId }
  | {
      readonly kind: "answer";
      readonly id: RequestId;
      readonly error: string | undefined;
      /** The turn that it begins; empty: none. */
      readonly turnId: string;
    }
  | { readonly kind: "turnStarted"; readonly turnId: string }
  /** What comes before the end of a turn that failed. */
  | { readonly kind: "trouble"; readonly threadId: string }
  | { readonly kind: "thread"; readonly threadId: string; readonly model: string }
  | { readonly kind: "limits"; readonly windows: Windows }
  | {
      readonly kind: "turnEnded";
      readonly threadId: string;
      readonly turnId: string;
      /** False: it was interrupted. */
      readonly isOver: boolean;
      readonly error: TurnError | undefined;
    };

/** Requests upon which the model is asked. */
const TURNS = new Set(["turn/start", "review/start", "thread/compact/start"]);
/** Answers that name a thread and its model. They may be long, others are not looked at. */
const THREAD = '"modelProvider":';
const METHODS = [
  ...["account/chatgptAuthTokens/refresh", "account/rateLimits/updated", "turn/completed", "turn/started"],
  ...["thread/status/changed", "error"],
];
/** The server writes no space; quotes inside a text are escaped, so none is taken for this. */
const TELLING = [THREAD, ...METHODS.map((method) => `"method":"${method}"`)];

/** Reads a line of the client. */
export function readClient(line: Buffer): Asked | undefined {
  const { id, method, params } = fieldsIn(line.toString("utf8"));
  if (!isId(id) || typeof method !== "string") return undefined;
  const { type, threadId, model, clientInfo } = fieldsOf(params);
  if (method === "initialize") return { kind: "initialize", id, client: textOf(fieldsOf(clientInfo).name) };
  if (method === "account/logout") return { kind: "logout", id };
  if (method === "account/login/start") return { kind: "login", id, type: textOf(type) };
  if (!TURNS.has(method)) return { kind: "request", id };
  return { kind: "turn", id, threadId: textOf(threadId), model: textOf(model) || undefined };
}

/** Reads a line of the server. Answers are looked for only if somebody waits for one: they may be long. */
export function readServer(line: Buffer, isAwaited: boolean): Said | undefined {
  if (!isAwaited && !TELLING.some((text) => line.includes(text))) return undefined;
  const { id, method, params, result, error } = fieldsIn(line.toString("utf8"));
  if (isId(id) && method === undefined) return readAnswer(id, fieldsOf(result), error, isAwaited);
  if (isId(id) && method === METHODS[0]) return { kind: "refresh", id };
  if (method === METHODS[1])
    return { kind: "limits", windows: windowsOf(fieldsOf(fieldsOf(params).rateLimits)) };
  return readTold(method, fieldsOf(params));
}

/** What the server tells of a turn. */
function readTold(method: unknown, params: Fields): Said | undefined {
  const { turn, status, willRetry } = params;
  const threadId = textOf(params.threadId);
  switch (method) {
    case "turn/completed":
      return readTurn(params);
    case "turn/started":
      return { kind: "turnStarted", turnId: textOf(fieldsOf(turn).id) };
    case "thread/status/changed":
      return fieldsOf(status).type === "systemError" ? { kind: "trouble", threadId } : undefined;
    case "error":
      return willRetry === false ? { kind: "trouble", threadId } : undefined;
    default:
      return undefined;
  }
}

function readAnswer(id: RequestId, result: Fields, error: unknown, isAwaited: boolean): Said | undefined {
  const threadId = textOf(fieldsOf(result.thread).id);
  const model = textOf(result.model);
  if (threadId !== "" && model !== "") return { kind: "thread", threadId, model };
  if (!isAwaited) return undefined;
  const turnId = textOf(fieldsOf(result.turn).id);
  return {
    kind: "answer",
    id,
    error: error === undefined ? undefined : textOf(fieldsOf(error).message),
    turnId,
  };
}

function readTurn({ threadId, turn }: Fields): Said {
  const { id, status, error } = fieldsOf(turn);
  const { message, codexErrorInfo } = fieldsOf(error);
  return {
    kind: "turnEnded",
    threadId: textOf(threadId),
    turnId: textOf(id),
    isOver: status === "completed" || status === "failed",
    error: status === "failed" ? turnErrorOf(textOf(message), codexErrorInfo) : undefined,
  };
}

/** Logs in with a credential. Throws `LaunchError` for one that the app-server refuses. */
export function loginRequest(id: RequestId, credential: Credential): string {
  const { apiKey } = credential;
  const params =
    apiKey === undefined
      ? { type: "chatgptAuthTokens", ...tokensOf(credential) }
      : { type: "apiKey", apiKey: apiKey.key };
  return lineOf({ id, method: "account/login/start", params });
}

/** Forgets the login; needed between a login by token and one by key. */
export function logoutRequest(id: RequestId): string {
  return lineOf({ id, method: "account/logout" });
}

/** Answers the server's question for a token in place of one that was refused; any account is taken. */
export function refreshAnswer(id: RequestId, credential: Credential): string {
  return lineOf({ id, result: tokensOf(credential) });
}

/** Says to either side that its request failed. `data`: what a program may want to know of it. */
export function failureAnswer(id: RequestId, message: string, data?: object): string {
  return lineOf({ id, error: { code: -32_000, message, ...(data !== undefined && { data }) } });
}

function tokensOf({ oauth }: Credential): object {
  if (oauth === undefined || oauth.accountId === "" || jwtClaims(oauth.accessToken) === undefined) {
    const help = "auth-broker login openai-codex";
    throw new LaunchError(78, "the app-server of Codex takes only logins whose token names an account", help);
  }
  const { accessToken, accountId: chatgptAccountId, planType } = oauth;
  return { accessToken, chatgptAccountId, chatgptPlanType: planType || null };
}

function lineOf(message: object): string {
  return `${JSON.stringify(message)}\n`;
}

function isId(value: unknown): value is RequestId {
  return typeof value === "string" || typeof value === "number";
}
