import { setMaxListeners } from "node:events";
import { homedir, userInfo } from "node:os";
import { Server } from "@grpc/grpc-js";
import { Broker } from "./broker/broker.ts";
import { type Clock, systemClock } from "./broker/clock.ts";
import type { Log } from "./broker/log.ts";
import { type Config, loadConfig } from "./config.ts";
import { BrokerFailure } from "./domain/failure.ts";
import { remainingMs } from "./domain/time.ts";
import type { Address } from "./endpoint/address.ts";
import { REQUEST_DEADLINE_MS, serverOptions } from "./endpoint/limits.ts";
import { type Listener, listen } from "./endpoint/listener.ts";
import {
  adminPolicy,
  agentPolicy,
  type EndpointPolicy,
  judgePeer,
  limitedPolicy,
  socketMode,
} from "./endpoint/policy.ts";
import { receiveDeadline } from "./endpoint/receive-deadline.ts";
import { fingerprints, installKey } from "./key.ts";
import { type Places, places } from "./places.ts";
import { createFetch, type Fetch } from "./provider/fetch.ts";
import { drawRefreshDue } from "./provider/lifetime.ts";
import { createLoginProtocol } from "./provider/login.ts";
import { createRefreshGrant } from "./provider/oauth.ts";
import { buildProviders, type Providers } from "./provider/registry.ts";
import { brokerHealth } from "./rpc/broker-health.ts";
import { callers } from "./rpc/callers.ts";
import { type Desk, guarded } from "./rpc/handler.ts";
import { loginService } from "./rpc/login-service.ts";
import { reflectionServices } from "./rpc/reflection.ts";
import { SERVICES } from "./rpc/schema.ts";
import { credentialService, profileService, statusService } from "./rpc/service.ts";
import { openLowdbStore } from "./store/lowdb.ts";
import type { Store } from "./store/store.ts";
import { VERSION } from "./version.ts";

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

/** How long a stopping server waits for calls that are under way. */
const SHUTDOWN_MS = 2_000;
const AWAKE_MS = 60_000;

const SILENT: Log = { info: () => {}, warn: () => {}, error: () => {} };

/**
 * Starts a broker and resolves when it serves. Rejects with `ConfigError`, with `StoreError`
 * (`locked`: another broker owns the state), or with `EndpointError`.
 */
export async function startDaemon(options: DaemonOptions = {}): Promise<Daemon> {
  const { clock = systemClock, log = SILENT } = options;
  const where = placesOf(options);
  const config = options.config ?? (await loadConfig(where.configFile));
  const store = await openLowdbStore({
    directory: where.stateDir,
    now: () => clock.now(),
    warn: (message) => log.warn({}, message),
  });
  try {
    // Under the lock, so that two starting brokers cannot both make a key.
    const key = await installKey(where.keyFile);
    return await serve({ options, config, where, clock, log, key, store });
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
  readonly key: Uint8Array;
  readonly store: Store;
}

async function serve(parts: Parts): Promise<Daemon> {
  const { config, where, clock, log, store } = parts;
  const ending = new AbortController();
  // One listener a stream or waiting call, and any number of them.
  setMaxListeners(0, ending.signal);
  const broker = new Broker({ ...brokerParts(parts, buildProviders(config)), ending: ending.signal });
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
    ending: ending.signal,
    wallMs: () => clock.now().wallMs,
    log,
  };
  const health = brokerHealth(broker, () => phase.now === "ready", desk.callerOf);
  const servers = makeServers(desk, broker, health, {
    version: VERSION,
    startedAtMs: clock.now().wallMs,
    storeKind: store.kind,
  });
  const listeners = await openAll(policies, servers, ownUid, log);
  try {
    await broker.start();
  } catch (error) {
    await closeAll(listeners, servers);
    throw error;
  }
  phase.now = "ready";
  health.changed();
  log.info({ version: VERSION, endpoints: policies.map((p) => p.policy.name) }, "the broker serves");
  const stop = async () => {
    phase.now = "draining";
    // The clock's timers keep no process alive, and with its sockets closed nothing else might.
    const awake = setInterval(() => {}, AWAKE_MS);
    try {
      health.changed();
      ending.abort();
      for (const listener of listeners) listener.stop();
      await broker.drain();
      health.end();
      await closeAll(listeners, servers);
      await broker.settle().finally(() => store.close());
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

function placesOf({ home, env = process.env }: DaemonOptions): Places {
  const { username } = userInfo();
  const own = home === undefined ? env : { AUTH_BROKER_HOME: home };
  return places({ env: own, platform: process.platform, home: homedir(), user: username });
}

function brokerParts(parts: Parts, providers: Providers) {
  const { options, config, clock, log, key, store } = parts;
  const { connectTimeoutMs } = config.settings.refresh;
  const fetch = options.fetch ?? createFetch({ connectTimeoutMs, ...config.network });
  return {
    store,
    clock,
    log,
    key,
    settings: config.settings,
    providerOf: providers.providerFor,
    isKnown: (id: string) => providers.get(id) !== undefined,
    configured: [...config.providers.keys()],
    refreshGrant: createRefreshGrant({ fetch }),
    login: {
      protocol: createLoginProtocol({ fetch }),
      openLoopback: async (...about) => (await import("./endpoint/loopback.ts")).openLoopback(...about),
    },
    // Other programs' formats are loaded only where a login is shared with one.
    readShared: async (...about) => (await import("./import/shared-source.ts")).readSharedSource(...about),
    fingerprintOf: fingerprints(key),
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

interface Endpoint {
  readonly address: Address;
  readonly policy: EndpointPolicy;
}

function endpointPolicies(config: Config, where: Places, ownUid: number | undefined): readonly Endpoint[] {
  return [
    { address: where.agentAddress, policy: agentPolicy(ownUid) },
    { address: where.adminAddress, policy: adminPolicy(ownUid) },
    ...config.endpoints.map((e) => ({ address: e.address, policy: limitedPolicy(e, ownUid) })),
  ];
}

interface Servers {
  readonly agent: Server;
  readonly admin: Server;
}

function makeServers(
  desk: Desk,
  broker: Broker,
  health: ReturnType<typeof brokerHealth>,
  about: Parameters<typeof statusService>[2],
): Servers {
  const agentServices = [credentialService(desk, broker), statusService(desk, broker, about)];
  const agentNames = [
    SERVICES.credential,
    SERVICES.status,
    SERVICES.health,
    SERVICES.reflection,
    SERVICES.reflectionAlpha,
  ];
  const make = (own: typeof agentServices, names: readonly string[]): Server => {
    const server = new Server({
      ...serverOptions,
      interceptors: [
        receiveDeadline(REQUEST_DEADLINE_MS, (afterMs, fire) => broker.ctx.clock.timer(afterMs, fire)),
      ],
    });
    for (const { definition, implementation } of [...own, health.service, ...reflectionServices(names)]) {
      const isOurs = own.some((s) => s.implementation === implementation);
      server.addService(definition, isOurs ? implementation : guarded(desk, implementation));
    }
    return server;
  };
  return {
    agent: make(agentServices, agentNames),
    admin: make(
      [...agentServices, profileService(desk, broker), loginService(desk, broker)],
      [SERVICES.profile, SERVICES.login, ...agentNames],
    ),
  };
}

async function openAll(
  endpoints: readonly Endpoint[],
  servers: Servers,
  ownUid: number | undefined,
  log: Log,
): Promise<readonly Listener[]> {
  const open: Listener[] = [];
  try {
    for (const { address, policy } of endpoints) {
      open.push(
        await listen({
          name: policy.name,
          address,
          server: policy.admin ? servers.admin : servers.agent,
          mode: socketMode(policy, ownUid),
          admit: ({ uid }) => judgePeer(policy, uid, ownUid) !== "forbidden",
          onError: (error) =>
            log.error({ err: error, endpoint: policy.name }, "a connection could not be accepted"),
        }),
      );
    }
    return open;
  } catch (error) {
    await closeAll(open, servers);
    throw error;
  }
}

async function closeAll(listeners: readonly Listener[], servers: Servers): Promise<void> {
  await Promise.all([shutDown(servers.agent), shutDown(servers.admin)]);
  await Promise.all(listeners.map((listener) => listener.close()));
}

/** Lets calls end; after a while they are cut off, since an open stream would hold the server for ever. */
function shutDown(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, SHUTDOWN_MS);
    server.tryShutdown(() => {
      clearTimeout(force);
      resolve();
    });
  });
}
