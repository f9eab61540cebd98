/** The library: `import { connect } from "auth-broker/client"`. */
export type { Address } from "../endpoint/address.ts";
export type { Attempt, Callback, FailedAnswer } from "./attempt.ts";
export { type Broker, type ConnectOptions, connect } from "./client.ts";
export { BrokerError } from "./error.ts";
export type { Following, Live, LiveOptions, NextOptions } from "./live.ts";
export type {
  Acquired,
  AcquireOptions,
  Advice,
  AdviceAction,
  ApiKeyCredential,
  CallOptions,
  Clock,
  CostClass,
  Credential,
  Duration,
  HeadersLike,
  IgnoredReason,
  Lease,
  OAuthCredential,
  Outcome,
  ProfileKind,
  ProfileReason,
  ProfileState,
  ProviderResponse,
  ProviderStatus,
  Report,
  ReportOptions,
  ResponseSource,
  Scope,
  Status,
  Unavailable,
  UsageWindow,
  WatchOptions,
  WatchState,
} from "./types.ts";
export type { UseOptions } from "./use.ts";
