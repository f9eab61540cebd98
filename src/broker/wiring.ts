import type { ProviderRules } from "../domain/pool.ts";
import type { Provider, ReadSharedSource } from "../provider/provider.ts";
import { Alarm } from "./alarm.ts";
import { NO_AUDIT } from "./audit.ts";
import type { Context } from "./context.ts";
import { Lanes } from "./lanes.ts";
import { Latest } from "./latest.ts";
import { LeaseIds } from "./lease.ts";
import { Ledger } from "./ledger.ts";
import type { BrokerParts } from "./parts.ts";
import { Refreshes } from "./refresh.ts";
import { clientKey } from "./refresh-rules.ts";
import { RefreshSchedule } from "./refresh-schedule.ts";
import { Sessions } from "./sessions.ts";
import { SharedSources } from "./shared.ts";
import { Trials } from "./trials.ts";
import { Troubles } from "./troubles.ts";
import { Turns } from "./turns.ts";
import { UsageHistories } from "./usage-history.ts";
import { UsagePoll } from "./usage-poll.ts";

/** Makes the pieces of a broker and tells each of the others that it works with. Nothing has begun yet. */
export function wire(parts: BrokerParts): Context {
  const { store, clock, settings, log, providerOf, refreshGrant } = parts;
  const alarm = new Alarm(clock, (error) => log.error({ err: error }, "unexpected error at a due moment"));
  const latest = new Latest();
  const ledger = new Ledger({ store, clock, alarm, latest, rulesOf: (id) => rulesOf(providerOf(id)) });
  const shared = new SharedSources({ ledger, clock, settings, log, read: drawingDue(parts) });
  const lanes = new Lanes(settings.refresh.lanes);
  const turns = new Turns({ ledger, latest, alarm, clock });
  const plan = (profileId: string) => {
    schedule.plan(profileId);
    turns.plan(profileId);
    usage.plan(profileId);
  };
  const refreshes = new Refreshes({
    ledger,
    lanes,
    alarm,
    clock,
    settings,
    log,
    audit: parts.audit ?? NO_AUDIT,
    fingerprintOf: parts.fingerprintOf,
    shared,
    providerOf,
    refreshGrant,
    onLanded: (profileId) => {
      plan(profileId);
      // A grant that could not be written for a while kept the health down until now.
      latest.publish("");
    },
  });
  const heldUntilMs = (provider: string) => {
    const client = providerOf(provider).oauth;
    return client === undefined ? undefined : lanes.heldUntilMs(clientKey(client), clock.now());
  };
  const schedule = new RefreshSchedule({ ledger, refreshes, alarm, clock, heldUntilMs });
  const usage = new UsagePoll({
    ledger,
    lanes: new Lanes(1),
    alarm,
    clock,
    settings,
    log,
    shared,
    providerOf,
    readUsage: parts.readUsage,
    onOtherPlan: (profile) => refreshes.ahead(profile),
    ending: parts.ending,
    followsUse: (id) => parts.notify !== undefined || providerOf(id).strategy === "earliest_reset",
    random: parts.random,
    onTrouble: (id) => latest.publish(id),
  });
  const histories = new UsageHistories({ ledger, store, alarm, clock, log });
  ledger.onChange((profileId) => {
    plan(profileId);
    histories.note(profileId);
  });
  return {
    ledger,
    latest,
    alarm,
    clock,
    settings,
    log,
    leases: new LeaseIds(parts.key),
    sessions: new Sessions(settings.session.idleLimitMs),
    trials: new Trials(alarm),
    troubles: new Troubles(settings),
    refreshes,
    shared,
    usage,
    histories,
    watches: new Map(),
    lastPlace: new Map(),
    providerOf,
    isKnown: parts.isKnown,
    listedProviders: () => [...new Set([...parts.configured, ...ledger.owners()])].sort(),
    fingerprintOf: parts.fingerprintOf,
    audit: parts.audit ?? NO_AUDIT,
    signOutHint: parts.signOutHint,
    plan,
    oneByOne: queue(),
    heldUntilMs,
    ending: parts.ending,
  };
}

function rulesOf(provider: Provider): ProviderRules & { readonly order?: readonly string[] } {
  return {
    id: provider.id,
    strategy: provider.strategy,
    failover: provider.policy.failover,
    meteredFallback: provider.meteredFallback,
    isKeysOnly: provider.oauth === undefined,
    ...(provider.order === undefined ? {} : { order: provider.order }),
  };
}

function drawingDue({ readShared, withRefreshDue }: BrokerParts): ReadSharedSource {
  return async (path, provider, account, now) => {
    const found = await readShared(path, provider, account, now);
    return found === undefined ? undefined : { ...found, grant: withRefreshDue(found.grant, provider, now) };
  };
}

function queue(): <T>(run: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (run) => {
    const result = last.then(run);
    last = result.catch(() => {});
    return result;
  };
}
