import type { Outcome, Scope, UsageFacts, UsageWindow } from "../../domain/outcome.ts";
import type { Evidence } from "./evidence.ts";
import type { HeaderResets } from "./reset-moment.ts";

export type Test = (evidence: Evidence) => boolean;

/** What a rule says when it fits. */
export interface Verdict {
  readonly outcome: Outcome;
  readonly scope: Scope;
  readonly ban?: true;
  /** The times in the answer are meaningless (a limit of zero does not refill). */
  readonly isTimeless?: true;
  /** When the limit ends by the provider's documentation, if the answer itself does not say. */
  readonly documentedReset?: (evidence: Evidence) => number | undefined;
}

/** One line of a dialect. The first rule that fits decides. */
export interface Rule {
  /** Short and stable; shown by `explain` and the log. */
  readonly name: string;
  readonly when: Test;
  readonly verdict: Verdict | ((evidence: Evidence) => Verdict);
}

/** How one provider speaks. */
export interface Dialect {
  readonly name: string;
  readonly rules: readonly Rule[];
  /** What a throttle that does not say it touches. */
  readonly throttleScope: (evidence: Evidence) => Scope;
  /** What the answer shows of the account's usage. */
  readonly windows: (evidence: Evidence) => readonly UsageWindow[];
  /** What a read-out of usage tells besides. Absent: nothing that is of use. */
  readonly facts?: (evidence: Evidence) => UsageFacts;
  /** Resets in the provider's own headers. */
  readonly headerResets: (evidence: Evidence) => HeaderResets;
}

export function rule(
  name: string,
  when: Test,
  outcome: Outcome,
  scope: Scope,
  more: Partial<Verdict> = {},
): Rule {
  return { name, when, verdict: { outcome, scope, ...more } };
}

export function hasCode(...codes: readonly string[]): Test {
  return (evidence) => codes.some((code) => evidence.codes.has(code));
}

/** True if the message contains one of the phrases (lower case). */
export function says(...phrases: readonly string[]): Test {
  return ({ text }) => phrases.some((phrase) => text.includes(phrase));
}

export function hasStatus(...statuses: readonly number[]): Test {
  return ({ status }) => statuses.includes(status);
}

export function both(...tests: readonly Test[]): Test {
  return (evidence) => tests.every((test) => test(evidence));
}

export function either(...tests: readonly Test[]): Test {
  return (evidence) => tests.some((test) => test(evidence));
}

export function not(test: Test): Test {
  return (evidence) => !test(evidence);
}

/** More than a sentence vouches for it: a status or an error object. */
export const isVouched: Test = ({ plain }) => !plain;
