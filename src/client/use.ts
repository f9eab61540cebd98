import { bodyBytes, isResponse, plainHeaders } from "./answer.ts";
import type { Broker } from "./client.ts";
import { unavailableError } from "./error.ts";
import { answerOf, answerOfResponse, isAbort } from "./failed-call.ts";
import type {
  Acquired,
  AcquireOptions,
  Clock,
  Credential,
  HeadersLike,
  Lease,
  ProviderResponse,
  Report,
  ReportOptions,
  ResponseSource,
} from "./types.ts";

/** What `use` needs: the fields of an acquire, and a signal that ends it. */
export interface UseOptions extends Omit<AcquireOptions, "provider"> {
  /**
   * How long to wait for a profile to become usable, also after a failure. A wait that would be longer
   * is a `BrokerError` that says why and until when. Absent: no wait, and a failure is what the caller
   * made of it.
   */
  readonly maxWait?: number | string | undefined;
  /** Ends waiting and trying. The callback sees to its own requests. */
  readonly signal?: AbortSignal | undefined;
}

/** One run of the callback. */
export interface Attempt {
  /** From 1. */
  readonly number: number;
  /** Profile id, `<provider>:<label>`. */
  readonly profile: string;
  readonly lease: Lease;
  /** Part of the answer was passed on, so there must be no other try. */
  consumed(): void;
  /** The provider refused, as a library told that throws neither `Response` nor status. The callback ends as it likes. */
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

/** A longer delay than this is not waited for between two tries. */
const LONGEST_DELAY_MS = 60_000;
/** A good answer is not held back longer than this for its report. */
const REPORT_OK_WITHIN_MS = 1_000;

/** How a run of the callback ended. */
interface End<T> {
  /** Returns or throws what the callback did. */
  readonly give: () => T;
  /** Absent: nothing that the broker should hear of. */
  readonly report?: Pick<ReportOptions, "outcome" | "providerResponse">;
  readonly isFailure: boolean;
  /** No other try. */
  readonly isFinal: boolean;
}

/** As `Broker.use`. */
export async function use<T>(
  broker: Broker,
  clock: Clock,
  provider: string,
  { signal, ...wanted }: UseOptions,
  callback: (credential: Credential, attempt: Attempt) => T | Promise<T>,
): Promise<T> {
  const request = { ...wanted, provider };
  const course = new Course(broker, clock, request, signal);
  let granted = await broker.acquire(request, { signal });
  for (let number = 1; ; number += 1) {
    course.began(granted.lease);
    const end = await run(callback, number, granted, signal);
    const next = await course.next(granted.lease, end);
    if (next === undefined) return end.give();
    granted = next;
  }
}

async function run<T>(
  callback: (credential: Credential, attempt: Attempt) => T | Promise<T>,
  number: number,
  { lease, credential }: Acquired,
  signal: AbortSignal | undefined,
): Promise<End<T>> {
  let isConsumed = false;
  let failed: ProviderResponse | undefined;
  const attempt: Attempt = {
    number,
    profile: lease.profile,
    lease,
    consumed: () => {
      isConsumed = true;
    },
    fail: ({ status, body, ...rest }) => {
      failed = { ...rest, ...(status !== undefined && { httpStatus: status }), body: bodyBytes(body) };
    },
  };
  try {
    const value = await callback(credential, attempt);
    const answer = failed ?? (isResponse(value) ? await answerIn(value) : undefined);
    return { give: () => value, isFinal: isConsumed, ...judged(answer, failed !== undefined) };
  } catch (error) {
    const give = (): never => {
      throw error;
    };
    const answer = signal?.aborted ? undefined : (failed ?? (await answerOf(error)));
    if (answer === undefined) return { give, isFailure: true, isFinal: true };
    return { give, isFinal: isConsumed || isAbort(error), ...judged(answer, true) };
  }
}
