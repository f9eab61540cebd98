import { z } from "zod";
import { ROTATIONS } from "../domain/grant.ts";
import { OUTCOMES, RESPONSE_SOURCES } from "../domain/outcome.ts";
import type { Intent, Profile, RefreshBackoff } from "../domain/profile.ts";
import { COOLDOWN_SOURCES, COST_CLASSES, OWNERSHIPS, splitProfileId } from "../domain/profile.ts";
import type { Now } from "../domain/time.ts";
import { anchor } from "../domain/time.ts";
import { Damage, parsed } from "./damage.ts";
import type { Codec } from "./document.ts";
import { fromGrantRecord, GrantRecord, toGrantRecord } from "./grant-record.ts";
import { list, maybe } from "./record-schema.ts";

/** Bound of a wait whose own length is not in the record. */
const LONGEST_WAIT_MS = 15 * 60_000;

const instant = z.number();
const count = z.int().min(0);
const optionalInstant = maybe(instant);
const optionalText = maybe(z.string());

const IntentRecord = z.object({
  generation: count,
  rotation: z.enum(ROTATIONS),
  setAtMs: instant,
  replay: z.union([z.literal(0), z.literal(1)]),
  phase: z.enum(["open", "lost"]),
  graceUntilMs: optionalInstant,
});
type IntentRecord = z.output<typeof IntentRecord>;

const BackoffRecord = z.object({ untilMs: instant, setAtMs: instant, strikes: count });
type BackoffRecord = z.output<typeof BackoffRecord>;

/**
 * A profile as it stands in the file, secrets in the clear. Only moments of the wall clock are
 * stored. Unknown keys are allowed and dropped, so that a newer version may add some.
 */
const ProfileRecord = z.object({
  id: z.string(),
  title: optionalText,
  aliases: list(z.string()),
  grant: GrantRecord,
  generation: count,
  origin: z.enum(["put", "login", "refresh", "forced", "adopted"]),
  obtainedAtMs: instant,
  lastRefreshAtMs: optionalInstant,
  proven: z.boolean(),
  accountEpoch: z.string(),
  account: z.object({
    accountId: optionalText,
    userId: optionalText,
    email: optionalText,
    planType: optionalText,
  }),
  attributes: z.record(z.string(), z.string()),
  enabled: z.boolean(),
  baseUrl: z.string(),
  pools: list(z.string()),
  ownership: z.enum(OWNERSHIPS),
  restored: z.boolean(),
  sourcePath: z.string(),
  costClass: z.enum(COST_CLASSES),
  cooldowns: list(
    z.object({
      model: z.string(),
      outcome: z.enum(OUTCOMES),
      source: z.enum(COOLDOWN_SOURCES),
      setAtMs: instant,
      untilMs: instant,
      halfOpen: z.boolean(),
      leaseTag: optionalText,
    }),
  ),
  strikes: list(z.object({ model: z.string(), outcome: z.enum(OUTCOMES), count, lastAtMs: instant })),
  usageWindows: list(
    z.object({
      name: z.string(),
      windowMinutes: maybe(z.number()),
      usedPercent: maybe(z.number()),
      resetAtMs: optionalInstant,
      observedAtMs: instant,
      isPartial: maybe(z.literal(true)),
      source: maybe(z.enum(RESPONSE_SOURCES)),
    }),
  ),
  storedResets: maybe(count),
  block: maybe(z.object({ outcome: z.enum(OUTCOMES), ban: z.boolean(), setAtMs: instant })),
  loginNeeded: maybe(
    z.object({ reason: z.enum(["refused", "permanent", "lost_in_flight"]), setAtMs: instant }),
  ),
  refusedGeneration: maybe(count),
  refreshDead: maybe(z.object({ cause: z.enum(["terminal", "lost"]), code: z.string(), setAtMs: instant })),
  intent: maybe(IntentRecord),
  backoff: maybe(BackoffRecord),
  /** Before this moment no further refresh request is made. */
  nextAttemptAtMs: optionalInstant,
});
type ProfileRecord = z.output<typeof ProfileRecord>;

/**
 * A profile to JSON values and back. Deadlines are read anew against `now`: a wait never lasts
 * longer than its own length, however the wall clock was moved meanwhile.
 */
export function profileCodec(now: Now): Codec<Profile> {
  return {
    encode: toRecord,
    decode: (record) => fromRecord(parsed(ProfileRecord, record), now),
    generation: (profile) => profile.generation,
  };
}

function toRecord(profile: Profile): ProfileRecord {
  const { provider: _p, label: _l, grant, cooldowns, intent, backoff, lastAttempt, ...same } = profile;
  return {
    ...same,
    grant: toGrantRecord(grant),
    cooldowns: cooldowns.map(({ until, ...cooldown }) => ({ ...cooldown, untilMs: until.wallMs })),
    ...(intent === undefined ? {} : { intent: toIntentRecord(intent) }),
    ...(backoff === undefined
      ? {}
      : { backoff: { untilMs: backoff.until.wallMs, setAtMs: backoff.setAtMs, strikes: backoff.strikes } }),
    ...(lastAttempt === undefined ? {} : { nextAttemptAtMs: lastAttempt.wallMs }),
  };
}

function fromRecord(record: ProfileRecord, now: Now): Profile {
  const { grant, cooldowns, intent, backoff, nextAttemptAtMs, ...same } = record;
  const names = splitProfileId(record.id);
  if (names === undefined) throw new Damage("its id is not <provider>:<label>");
  return {
    ...same,
    ...names,
    grant: fromGrantRecord(grant, now),
    cooldowns: cooldowns.map(({ untilMs, ...cooldown }) => ({
      ...cooldown,
      until: anchor(untilMs, untilMs - cooldown.setAtMs, now),
    })),
    ...(intent === undefined ? {} : { intent: fromIntentRecord(intent, now) }),
    ...(backoff === undefined ? {} : { backoff: fromBackoffRecord(backoff, now) }),
    ...(nextAttemptAtMs === undefined ? {} : { lastAttempt: anchor(nextAttemptAtMs, LONGEST_WAIT_MS, now) }),
  };
}

function toIntentRecord(intent: Intent): IntentRecord {
  const { graceUntil, ...same } = intent;
  return { ...same, ...(graceUntil === undefined ? {} : { graceUntilMs: graceUntil.wallMs }) };
}

function fromIntentRecord(record: IntentRecord, now: Now): Intent {
  const { graceUntilMs, ...same } = record;
  if (graceUntilMs === undefined) return same;
  return { ...same, graceUntil: anchor(graceUntilMs, graceUntilMs - record.setAtMs, now) };
}

function fromBackoffRecord(record: BackoffRecord, now: Now): RefreshBackoff {
  const { untilMs, ...same } = record;
  return { ...same, until: anchor(untilMs, untilMs - record.setAtMs, now) };
}
