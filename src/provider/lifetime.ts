import { after, type Deadline, type Now } from "../domain/time.ts";

const LONGEST_MS = 3_653 * 86_400_000;
/** Assumed when a server says nothing about a token's life and no earlier one is known. */
export const DEFAULT_LIFETIME_MS = 3_600_000;
/** A refresh is drawn up to this fraction earlier or later, so that many logins do not fall due at once. */
const JITTER = 0.05;

/**
 * `expires_in` of a token answer in milliseconds: a number of seconds, or the same as a text (some
 * servers send that). 0 is a lifetime like any other: expired at once. Undefined for everything
 * that is no plausible lifetime (RFC 6749 section 5.1 makes it optional).
 */
export function statedLifetimeMs(expiresIn: unknown): number | undefined {
  const isNumeral = typeof expiresIn === "string" && /^\d{1,12}(\.\d{1,9})?$/.test(expiresIn.trim());
  const seconds = isNumeral ? Number(expiresIn) : expiresIn;
  if (typeof seconds !== "number" || !(seconds >= 0)) return undefined;
  const ms = Math.floor(seconds * 1000);
  return ms <= LONGEST_MS ? ms : undefined;
}

const SMALLEST_MOMENT = 1_000_000_000;
const SMALLEST_MOMENT_MS = 1_000_000_000_000;

/**
 * What is left until a moment that stands in an answer as a number (GitHub's `expires_at`, MiniMax's
 * `expired_in`): seconds or milliseconds of the epoch, which their size tells apart; a small number is
 * seconds from now. Undefined for what is no plausible lifetime.
 */
export function momentLeftMs(moment: unknown, now: Now): number | undefined {
  if (typeof moment !== "number" || moment < SMALLEST_MOMENT) return statedLifetimeMs(moment);
  const atMs = moment < SMALLEST_MOMENT_MS ? moment * 1_000 : moment;
  return statedLifetimeMs(Math.max(0, atMs - now.wallMs) / 1_000);
}

/**
 * When a refresh ahead is due for a token that ends at `expires`: after `refreshAt` of its life, give
 * or take the jitter, never before `now` and never after the end. `lifetimeMs` is the token's whole
 * life; where it is not known, pass what is left of it. `random` gives [0, 1).
 */
export function drawRefreshDue(
  expires: Deadline,
  lifetimeMs: number,
  refreshAt: number,
  now: Now,
  random: () => number,
): Deadline {
  const fraction = refreshAt * (1 + JITTER * (2 * random() - 1));
  const leadMs = lifetimeMs * Math.max(0, 1 - fraction);
  const leftMs = Math.max(0, expires.wallMs - now.wallMs);
  return after(now, Math.max(0, Math.floor(leftMs - leadMs)));
}
