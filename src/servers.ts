import { Server } from "@grpc/grpc-js";
import type { Broker } from "./broker/broker.ts";
import type { Config } from "./config.ts";
import type { Address } from "./endpoint/address.ts";
import { EndpointError } from "./endpoint/error.ts";
import { FairTurns } from "./endpoint/fair-turns.ts";
import { REQUEST_DEADLINE_MS, serverOptions, UNREAD_LIMITS } from "./endpoint/limits.ts";
import { type Listener, listen } from "./endpoint/listener.ts";
import { OpenStreams } from "./endpoint/open-streams.ts";
import {
  adminPolicy,
  agentPolicy,
  type EndpointPolicy,
  judgePeer,
  limitedPolicy,
  needsProgram,
  socketMode,
} from "./endpoint/policy.ts";
import { receiveDeadline } from "./endpoint/receive-deadline.ts";
import { ResetFloods } from "./endpoint/reset-floods.ts";
import { startTimer } from "./endpoint/timer.ts";
import type { Places } from "./places.ts";
import { noteCutOff } from "./rpc/audited.ts";
import type { brokerHealth } from "./rpc/broker-health.ts";
import { type Desk, guarded } from "./rpc/handler.ts";
import { loginService } from "./rpc/login-service.ts";
import { reflectionServices } from "./rpc/reflection.ts";
import { SERVICES } from "./rpc/schema.ts";
import { credentialService, profileService, statusService, storeService } from "./rpc/service.ts";

/** How long a stopping server waits for calls that are under way. */
const SHUTDOWN_MS = 2_000;

/** One socket or pipe, and whom it serves. */
export interface Endpoint {
  readonly address: Address;
  readonly policy: EndpointPolicy;
}

/** The two endpoints that are always there, and the configured ones. */
export function endpointPolicies(
  config: Config,
  where: Places,
  ownUid: number | undefined,
): readonly Endpoint[] {
  return [
    { address: where.agentAddress, policy: agentPolicy(ownUid) },
    { address: where.adminAddress, policy: adminPolicy(ownUid) },
    ...config.endpoints.map((e) => ({ address: e.address, policy: limitedPolicy(e, ownUid) })),
  ];
}

/** What is served: the same to every agent endpoint, everything to the admin one. */
export interface Servers {
  readonly agent: Server;
  readonly admin: Server;
  /** Of both. */
  readonly streams: OpenStreams;
}

export function makeServers(
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
  // How long a peer takes to read is a matter of real time.
  const streams = new OpenStreams(UNREAD_LIMITS, startTimer, new ResetFloods());
  const turns = new FairTurns();
  const make = (own: typeof agentServices, names: readonly string[]): Server => {
    const server = new Server({
      ...serverOptions,
      interceptors: [
        receiveDeadline(
          REQUEST_DEADLINE_MS,
          (afterMs, fire) => broker.ctx.clock.timer(afterMs, fire),
          streams,
          turns,
        ),
      ],
    });
    for (const { definition, implementation } of [...own, health.service, ...reflectionServices(names)]) {
      const isOurs = own.some((s) => s.implementation === implementation);
      server.addService(definition, isOurs ? implementation : guarded(desk, implementation));
    }
    return server;
  };
  return {
    streams,
    agent: make(agentServices, agentNames),
    admin: make(
      [
        ...agentServices,
        profileService(desk, broker),
        loginService(desk, broker),
        storeService(desk, broker),
      ],
      [SERVICES.profile, SERVICES.login, SERVICES.store, ...agentNames],
    ),
  };
}

/** Opens every endpoint, or none. Rejects with `EndpointError`. */
export async function openAll(
  endpoints: readonly Endpoint[],
  servers: Servers,
  ownUid: number | undefined,
  { log, audit, wallMs }: Pick<Desk, "log" | "audit" | "wallMs">,
  sockets: ReadonlyMap<string, number>,
): Promise<readonly Listener[]> {
  const open: Listener[] = [];
  try {
    refuseUnknown(sockets, endpoints);
    for (const { address, policy } of endpoints) {
      open.push(
        await listen({
          name: policy.name,
          address,
          server: policy.admin ? servers.admin : servers.agent,
          streams: servers.streams,
          mode: socketMode(policy, ownUid),
          needsProgram: needsProgram(policy),
          ...fdOf(sockets, policy.name),
          admit: ({ uid }) => judgePeer(policy, uid, ownUid) !== "forbidden",
          onCutOff: (connection) => noteCutOff(audit, connection, wallMs()),
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

function fdOf(sockets: ReadonlyMap<string, number>, name: string): { readonly fd?: number } {
  const fd = sockets.get(name);
  return fd === undefined ? {} : { fd };
}

/** A socket that nobody serves would take connections and never answer. */
function refuseUnknown(sockets: ReadonlyMap<string, number>, endpoints: readonly Endpoint[]): void {
  const names = endpoints.map(({ policy }) => policy.name);
  const [unknown] = [...sockets.keys()].filter((name) => !names.includes(name));
  if (unknown === undefined) return;
  const known = names.map((name) => `"${name}"`).join(", ");
  throw new EndpointError(
    78,
    `a socket called "${unknown}" was passed, but the endpoints are ${known}; set FileDescriptorName=`,
  );
}

/** Lets calls under way end, then closes everything. */
export async function closeAll(listeners: readonly Listener[], servers: Servers): Promise<void> {
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
