import { setMaxListeners } from "node:events";
import { AuditLog } from "./audit/log.ts";
import { Broker } from "./broker/broker.ts";
import { type Clock, systemClock } from "./broker/clock.ts";
import type { Log } from "./broker/log.ts";
import { type Config, loadConfig } from "./config.ts";
import { BrokerFailure } from "./domain/failure.ts";
import { remainingMs } from "./domain/time.ts";
import { type Address, addressText } from "./endpoint/address.ts";
import { needsProgram, socketMode } from "./endpoint/policy.ts";
import { signOutHint } from "./import/sign-out.ts";
import { fingerprints } from "./key/fingerprint.ts";
import { closeKeyDirectory, keySources } from "./key.ts";
import type { Notifier } from "./notify.ts";
import { VERSION } from "./package.ts";
import { ownPlaces, type Places } from "./places.ts";
import { createFetch, type Fetch } from "./provider/fetch.ts";
import {
  lateDiscovery,
  lateLoginProtocol,
  lateReadUsage,
  lateRefreshGrant,
  loadLate,
} from "./provider/late.ts";
import { drawRefreshDue } from "./provider/lifetime.ts";
import { buildProviders, type Providers } from "./provider/registry.ts";
import { brokerHealth } from "./rpc/broker-health.ts";
import { callers } from "./rpc/callers.ts";
import type { Desk } from "./rpc/handler.ts";
import { loadDefinitions } from "./rpc/services.ts";
import { closeAll, type Endpoint, endpointPolicies, makeServers, openAll } from "./servers.ts";
import { type LowdbStore, openLowdbStore } from "./store/lowdb.ts";
import { native } from "./system/native.ts";

export interface DaemonOptions {
  /** Everything under one directory, as `AUTH_BROKER_HOME` does. Default: as the environment says. */
  readonly home?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
  /** Sends token requests. Default: a fresh connection for each. */
  readonly fetch?: Fetch;
  readonly log?: Log;
  /** Default: read from config.json. */
  readonly config?: Config;
  /** There is a desktop on which notices may be shown, unless the configuration says no. Default: none. */
  readonly desktop?: boolean;
  /** Sockets that the system opened for us, by the names of their endpoints; the others are opened here. */
  readonly sockets?: ReadonlyMap<string, number>;
}

export interface Daemon {
  readonly agentAddress: Address;
  readonly adminAddress: Address;
  readonly places: Places;
  /**
   * Ends watches, lets running refreshes land, writes what is unwritten and gives everything back.
   * Rejects with `BrokerFailure` if something that was answered for could not be written within twice
   * the time that a refresh may take.
   */
  stop(): Promise<void>;
}

const AWAKE_MS = 60_000;

const SILENT: Log = { info: () => {}, warn: () => {}, error: () => {} };

/**
 * Starts a broker and resolves when it serves. Rejects with `ConfigError`, with `StoreError`
 * (`locked`: another broker owns the state), or with `EndpointError`.
 */
export async function startDaemon(options: DaemonOptions = {}): Promise<Daemon> {
  const { clock = systemClock, log = SILENT } = options;
  const where = ownPlaces(
    options.home === undefined ? (options.env ?? process.env) : { AUTH_BROKER_HOME: options.home },
  );
  const config = options.config ?? (await loadConfig(where.configFile));
  await closeKeyDirectory(where.keyFile, (message) => log.warn({}, message));
  const store = await openLowdbStore({
    directory: where.stateDir,
    keys: keySources(config.key, where.keyFile),
    countersFile: where.countersFile,
    now: () => clock.now(),
    warn: (message) => log.warn({}, message),
    progress: (message) => log.info({}, message),
    meanwhile: loadDefinitions,
  });
  try {
    return await serve({ options, config, where, clock, log, store });
  } catch (error) {
    await store.close();
    throw error;
  }
}

interface Parts {
  readonly options: DaemonOptions;
  readonly config: Config;
  readonly where: Places;
  readonly clock: Clock;
  readonly log: Log;
  readonly store: LowdbStore;
}

async function serve(parts: Parts): Promise<Daemon> {
  const { config, where, clock, log, store } = parts;
  const ending = new AbortController();
  // One listener a stream or waiting call, and any number of them.
  setMaxListeners(0, ending.signal);
  const notifier = await notifierOf(parts);
  let onAuditTrouble = () => {};
  const audit = new AuditLog({
    directory: where.auditDir,
    ...config.audit,
    timer: (afterMs, fire) => clock.timer(afterMs, fire),
    wallMs: () => clock.now().wallMs,
    onTrouble: (trouble) => {
      const fields = { path: where.auditDir, trouble };
      if (trouble === undefined) log.info(fields, "the audit log can be written again");
      else log.error(fields, "the audit log cannot be written; credentials are handed out all the same");
      onAuditTrouble();
    },
  });
  const broker = new Broker({
    ...brokerParts(parts, buildProviders(config)),
    audit,
    ...(notifier === undefined ? {} : { notify: notifier.tell }),
    ending: ending.signal,
  });
  const ownUid = process.geteuid?.();
  const policies = endpointPolicies(config, where, ownUid);
  const phase = { now: "starting" as "starting" | "ready" | "draining" };
  const desk: Desk = {
    callerOf: callers(
      policies.map((p) => p.policy),
      ownUid,
      clock,
      log,
    ),
    refuseUnready: () => {
      if (phase.now !== "ready") throw new BrokerFailure({ kind: phase.now });
    },
    refuseLocked: () => {
      broker.asked();
      const { lockFailure } = broker.ctx.ledger;
      if (lockFailure !== undefined) throw new BrokerFailure(lockFailure);
    },
    ending: ending.signal,
    wallMs: () => clock.now().wallMs,
    log,
    audit,
    isKnownId: (id) => broker.knows(id),
  };
  const isReady = () =>
    phase.now === "ready" && audit.trouble === undefined && broker.ctx.ledger.lockFailure === undefined;
  const health = brokerHealth(broker, isReady, desk.callerOf);
  onAuditTrouble = health.changed;
  const servers = makeServers(desk, broker, health, {
    version: VERSION,
    startedAtMs: clock.now().wallMs,
    storeKind: store.kind,
    warnings: () => (audit.trouble === undefined ? [] : [auditWarning(where.auditDir, audit.trouble)]),
  });
  // The state is read while the sockets are claimed.
  const opening = openAll(policies, servers, ownUid, desk, parts.options.sockets ?? new Map());
  const [listeners] = await Promise.all([opening, broker.start()]).catch(async (error: unknown) => {
    await opening.then(
      (open) => closeAll(open, servers),
      () => {},
    );
    throw error;
  });
  phase.now = "ready";
  health.changed();
  audit.note({ action: "serve", outcome: "STARTED" }, clock.now().wallMs, true);
  const endpoints = Object.fromEntries(policies.map((p) => [p.policy.name, addressText(p.address)]));
  const { configFile, stateDir } = where;
  log.info({ version: VERSION, endpoints, configFile, stateDir }, "the broker serves");
  const late = Promise.all([loadLate(), broker.locking()]).then(() => needNative(policies, ownUid, log));
  // Whoever needs it then asks again, and is told.
  late.catch((error: unknown) => log.error({ err: error }, "a part of the program cannot be loaded"));
  const stop = async () => {
    phase.now = "draining";
    // The clock's timers keep no process alive, and with its sockets closed nothing else might.
    const awake = setInterval(() => {}, AWAKE_MS);
    try {
      health.changed();
      ending.abort();
      notifier?.stop();
      for (const listener of listeners) listener.stop();
      await broker.drain();
      health.end();
      await closeAll(listeners, servers);
      audit.note({ action: "serve", outcome: "STOPPED" }, clock.now().wallMs);
      await audit.close();
      await broker.settle().finally(() => store.close());
      await late.catch(() => {});
    } finally {
      clearInterval(awake);
    }
    log.info({}, "the broker has stopped");
  };
  let stopped: Promise<void> | undefined;
  return {
    agentAddress: where.agentAddress,
    adminAddress: where.adminAddress,
    places: where,
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}

/** Behind the readiness, since nobody who may connect by the sockets' permissions alone has to wait for it. */
function needNative(endpoints: readonly Endpoint[], ownUid: number | undefined, log: Log): void {
  if (native() !== undefined) return;
  const closed = endpoints.filter(
    ({ policy }) => needsProgram(policy) || socketMode(policy, ownUid) === "shared",
  );
  if (closed.length === 0) return;
  const names = closed.map(({ policy }) => policy.name);
  log.error(
    { endpoints: names },
    "these endpoints must know who is calling; without the package koffi they refuse all",
  );
}

function auditWarning(directory: string, trouble: string): string {
  return `the audit log cannot be written (${trouble}): ${directory}; what is done meanwhile is kept in memory, up to a bound`;
}

/** Undefined if nobody is to be told. */
async function notifierOf({ options, config, log }: Parts): Promise<Notifier | undefined> {
  const { command } = config.notify;
  const desktop = config.notify.desktop && options.desktop === true;
  if (command === undefined && !desktop) return undefined;
  const { createNotifier } = await import("./notify.ts");
  return createNotifier({
    ...(command === undefined ? {} : { command }),
    desktop,
    warn: (message) => log.warn({}, message),
  });
}

function brokerParts(parts: Parts, providers: Providers) {
  const { options, config, clock, log, store } = parts;
  const { connectTimeoutMs } = config.settings.refresh;
  const extraCaFile = (options.env ?? process.env).NODE_EXTRA_CA_CERTS || undefined;
  const fetch = options.fetch ?? createFetch({ connectTimeoutMs, extraCaFile, ...config.network });
  const discovery = lateDiscovery(fetch);
  return {
    store,
    clock,
    log,
    key: store.deriveKey("lease"),
    settings: config.settings,
    providerOf: providers.providerFor,
    isKnown: (id: string) => providers.get(id) !== undefined,
    configured: [...config.providers.keys()],
    refreshGrant: lateRefreshGrant({ fetch, discovery }),
    readUsage: lateReadUsage({ fetch }),
    random: Math.random,
    login: {
      protocol: lateLoginProtocol({ fetch, discovery }),
      openLoopback: async (...about) => (await import("./endpoint/loopback.ts")).openLoopback(...about),
    },
    // Other programs' formats are loaded only where a login is shared with one.
    readShared: async (...about) => (await import("./import/shared-source.ts")).readSharedSource(...about),
    giveBack: async (...about) => (await import("./import/give-back.ts")).giveBack(...about),
    signOutHint,
    ...(config.key.lockAfterMs === undefined ? {} : { lockAfterMs: config.key.lockAfterMs }),
    fingerprintOf: fingerprints(store.deriveKey("fingerprint")),
    withRefreshDue: (grant, id, now) => {
      const client = providers.providerFor(id).oauth;
      if (grant.expires === undefined || client === undefined) return grant;
      const lifetimeMs = grant.lifetimeMs ?? remainingMs(grant.expires, now);
      return {
        ...grant,
        refreshDue: drawRefreshDue(grant.expires, lifetimeMs, client.refreshAt, now, Math.random),
      };
    },
  } satisfies Omit<ConstructorParameters<typeof Broker>[0], "ending">;
}
