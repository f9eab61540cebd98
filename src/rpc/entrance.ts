import type { Clock } from "../broker/clock.ts";
import type { Caller, LeaseLimit, Waiting } from "../broker/context.ts";
import type { Log } from "../broker/log.ts";
import type { Request } from "../domain/candidate.ts";
import { BrokerFailure } from "../domain/failure.ts";
import { remainingMs } from "../domain/time.ts";
import { Confirmations } from "../endpoint/confirm.ts";
import { OpenLeases } from "../endpoint/open-leases.ts";
import type { Connection } from "../endpoint/peer.ts";
import type { EndpointPolicy } from "../endpoint/policy.ts";
import { programJudge } from "../endpoint/program.ts";
import { Rate } from "../endpoint/rate.ts";
import { actorOf } from "./audited.ts";

/** What an endpoint counts and asks, for all who come this way. */
export interface Entrance {
  readonly policy: EndpointPolicy;
  /** As `programJudge` says. */
  readonly judgeProgram: ReturnType<typeof programJudge>;
  readonly countAcquire: () => void;
  readonly leases?: LeaseLimit;
  /** What `Caller.confirm` is for a connection. */
  readonly confirmFor?: (connection: Connection) => NonNullable<Caller["confirm"]>;
}

export function entranceOf(policy: EndpointPolicy, clock: Clock, log: Log): Entrance {
  const { mostLeases, confirm } = policy;
  return {
    policy,
    judgeProgram: programJudge(policy),
    countAcquire: counter(policy, clock, log),
    ...(mostLeases === undefined ? {} : { leases: leaseLimit(mostLeases) }),
    ...(confirm === undefined ? {} : { confirmFor: asking(policy.name, confirm, clock, log) }),
  };
}

function counter({ name, rate: perMinute }: EndpointPolicy, clock: Clock, log: Log): () => void {
  if (perMinute === undefined) return () => {};
  const rate = new Rate(perMinute);
  let isTold = false;
  return () => {
    const now = clock.now();
    const waitMs = rate.take(now.monoMs);
    if (waitMs > 0 && !isTold) log.warn({ endpoint: name, perMinute }, "the endpoint's rate is used up");
    isTold = waitMs > 0;
    if (waitMs > 0) throw new BrokerFailure({ kind: "endpoint_limit", retryAtMs: now.wallMs + waitMs });
  };
}

function leaseLimit(most: number): LeaseLimit {
  const leases = new OpenLeases(most);
  return {
    refuseFull: (now) => {
      const retryAtMs = leases.roomAtMs(now.wallMs);
      if (retryAtMs > 0) throw new BrokerFailure({ kind: "endpoint_limit", retryAtMs });
    },
    opened: (tag, untilMs) => leases.open(tag, untilMs),
    closed: (tag) => leases.close(tag),
  };
}

/** The person is asked once for all who wait for the same answer, and goes on being asked when one of them leaves. */
function asking(
  name: string,
  confirm: NonNullable<EndpointPolicy["confirm"]>,
  clock: Clock,
  log: Log,
): NonNullable<Entrance["confirmFor"]> {
  const warn = (message: string) => log.warn({ endpoint: name }, message);
  const confirmations = new Confirmations(confirm, () => clock.now().monoMs, warn);
  return (connection) => {
    const actor = actorOf(connection);
    const file = connection.program?.executable;
    // By the file: a path is free for another program. A yes to one that nobody knows is a yes to this connection alone.
    const program = file === undefined ? `#${connection.number}` : `${file.device}:${file.inode}`;
    return async ({ provider, model, profile, sessionId }: Request, waiting: Waiting) => {
      const question = { ...actor, provider, model, profile, sessionId };
      const asked = confirmations.ask(`${actor.uid}`, `${program} ${provider}`, question);
      const isYes = typeof asked === "boolean" ? asked : await unlessOver(asked, waiting, clock);
      if (!isYes) throw new BrokerFailure({ kind: "client_forbidden", why: "unconfirmed" });
    };
  };
}

/** False if whoever waits is gone, or must have its answer, before there is one. */
function unlessOver(asked: Promise<boolean>, { signal, deadline }: Waiting, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (isYes: boolean) => {
      cancel();
      signal.removeEventListener("abort", gone);
      resolve(isYes);
    };
    const gone = () => end(false);
    const leftMs = deadline === undefined ? undefined : remainingMs(deadline, clock.now());
    const cancel = leftMs === undefined ? () => {} : clock.timer(leftMs, gone);
    signal.addEventListener("abort", gone, { once: true });
    void asked.then(end);
  });
}
