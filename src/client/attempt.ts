import { bodyBytes, isResponse, plainHeaders } from "./answer.ts";
import { answerOf, answerOfResponse, isAbort } from "./failed-call.ts";
import type {
  Acquired,
  Credential,
  HeadersLike,
  Lease,
  ProviderResponse,
  ReportOptions,
  ResponseSource,
} from "./types.ts";

/** One run of the callback of `use`. */
export interface Attempt {
  /** From 1. */
  readonly number: number;
  /** Profile id, `<provider>:<label>`. */
  readonly profile: string;
  readonly lease: Lease;
  /** Part of the answer was passed on, so there must be no other try. */
  consumed(): void;
  /**
   * The provider refused. For libraries whose errors do not carry what came; the callback then returns
   * or throws as it likes, and that is what the caller gets if no other try follows.
   */
  fail(answer: FailedAnswer): void;
}

/** An answer as libraries give it. */
export interface FailedAnswer {
  readonly status?: number | undefined;
  readonly headers?: HeadersLike | undefined;
  /** Bytes, text, or what was parsed from it. */
  readonly body?: unknown;
  /** What was seen in place of an answer, such as `ECONNRESET`. */
  readonly transportError?: string | undefined;
  /** STREAM_EVENT for an error within a stream that began well. */
  readonly source?: ResponseSource | undefined;
}

export type Callback<T> = (credential: Credential, attempt: Attempt) => T | Promise<T>;

/** How a run ended. */
export interface End<T> {
  /** Returns or throws what the callback did. */
  readonly give: () => T;
  /** Frees what the callback returned, because another try follows. */
  readonly drop: () => void;
  /** Absent: nothing that the broker should hear of. */
  readonly report?: Pick<ReportOptions, "outcome" | "providerResponse" | "responseStarted">;
  readonly isGood: boolean;
  readonly mayRetry: boolean;
}

/** What the callback said through its attempt. */
interface Said {
  isConsumed: boolean;
  failed: ProviderResponse | undefined;
}

/** Runs the callback once. Never rejects; an error of the callback is thrown by `give`. */
export async function run<T>(
  callback: Callback<T>,
  number: number,
  { lease, credential }: Acquired,
  signal: AbortSignal | undefined,
): Promise<End<T>> {
  const said: Said = { isConsumed: false, failed: undefined };
  try {
    const value = await callback(credential, attemptOf(number, lease, said));
    return await returned(value, said);
  } catch (error) {
    return await thrown(error, said, signal);
  }
}

function attemptOf(number: number, lease: Lease, said: Said): Attempt {
  return {
    number,
    profile: lease.profile,
    lease,
    consumed: () => {
      said.isConsumed = true;
    },
    fail: ({ status, body, ...rest }) => {
      said.failed = { ...rest, ...(status !== undefined && { httpStatus: status }), body: bodyBytes(body) };
    },
  };
}

async function returned<T>(value: T, { isConsumed, failed }: Said): Promise<End<T>> {
  const response = isResponse(value) ? value : undefined;
  const end = {
    give: () => value,
    drop: () => void response?.body?.cancel().catch(() => {}),
  };
  const refusal = response !== undefined && !isGood(response) ? await answerOfResponse(response) : undefined;
  const answer = failed ?? refusal;
  if (answer !== undefined) return { ...end, ...failure(answer, isConsumed), mayRetry: !isConsumed };
  // The body of a good answer is the caller's alone; its headers tell how full the usage windows are.
  const report =
    response === undefined
      ? { outcome: "OK" as const }
      : { providerResponse: { httpStatus: response.status, headers: plainHeaders(response.headers) } };
  return { ...end, report, isGood: true, mayRetry: false };
}

async function thrown(error: unknown, said: Said, signal: AbortSignal | undefined): Promise<End<never>> {
  const end = {
    give: (): never => {
      throw error;
    },
    drop: () => {},
  };
  const answer = signal?.aborted ? undefined : (said.failed ?? (await answerOf(error)));
  if (answer === undefined) return { ...end, isGood: false, mayRetry: false };
  return { ...end, ...failure(answer, said.isConsumed), mayRetry: !said.isConsumed && !isAbort(error) };
}

function failure(providerResponse: ProviderResponse, responseStarted: boolean) {
  return { report: { providerResponse, responseStarted }, isGood: false };
}

function isGood({ status }: Response): boolean {
  return status >= 200 && status < 300;
}
