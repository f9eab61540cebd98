import type { Broker } from "../broker/broker.ts";
import type { Caller } from "../broker/context.ts";
import { summarize } from "../broker/status.ts";
import { canonicalProvider } from "../domain/alias.ts";
import { type HealthService, healthService } from "./health.ts";
import { SERVICES } from "./schema.ts";

const PROVIDER = "provider/";

/**
 * Health of the broker: `""` and each service of ours are ready together, `provider/<id>` serves
 * while a profile of it is usable, as far as the endpoint knows of it. Readiness, never liveness: a
 * broker that cannot write is alive.
 */
export function brokerHealth(
  broker: Broker,
  isReady: () => boolean,
  callerOf: (peer: string) => Caller,
): { readonly service: HealthService; readonly changed: () => void; readonly end: () => void } {
  const { ctx } = broker;
  const listeners = new Set<() => void>();
  const changed = () => {
    for (const listener of [...listeners]) listener();
  };
  const services: readonly string[] = ["", ...Object.values(SERVICES)];
  const serving = (isOk: boolean) => (isOk ? ("SERVING" as const) : ("NOT_SERVING" as const));
  const shown = ({ allowsProvider }: Caller) => ctx.listedProviders().filter(allowsProvider);
  const service = healthService({
    status: (name, peer) => {
      if (services.includes(name)) return serving(isReady() && !broker.isTroubled);
      if (!name.startsWith(PROVIDER)) return undefined;
      const id = canonicalProvider(name.slice(PROVIDER.length));
      const caller = callerOf(peer);
      if (!shown(caller).includes(id)) return undefined;
      return serving(isReady() && summarize(ctx, id, caller.allowsProfile).usable > 0);
    },
    services: (peer) => [...services, ...shown(callerOf(peer)).map((id) => `${PROVIDER}${id}`)],
    onChange: (listener) => {
      listeners.add(listener);
      const stop = ctx.latest.on("", listener);
      return () => {
        listeners.delete(listener);
        stop();
      };
    },
  });
  return { service, changed, end: () => service.end() };
}
