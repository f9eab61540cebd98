import type { Broker } from "../broker/broker.ts";
import { isServing } from "../broker/status.ts";
import { canonicalProvider } from "../domain/alias.ts";
import { type HealthService, healthService } from "./health.ts";
import { SERVICES } from "./schema.ts";

const PROVIDER = "provider/";

/**
 * Health of the broker: `""` and each service of ours are ready together, `provider/<id>` serves
 * while a profile of it is usable. Readiness, never liveness: a broker that cannot write is alive.
 */
export function brokerHealth(
  broker: Broker,
  isReady: () => boolean,
): { readonly service: HealthService; readonly changed: () => void; readonly end: () => void } {
  const { ctx } = broker;
  const listeners = new Set<() => void>();
  const changed = () => {
    for (const listener of [...listeners]) listener();
  };
  const services: readonly string[] = ["", ...Object.values(SERVICES)];
  const serving = (isOk: boolean) => (isOk ? ("SERVING" as const) : ("NOT_SERVING" as const));
  const service = healthService({
    status: (name) => {
      if (services.includes(name)) return serving(isReady() && !broker.isTroubled);
      if (!name.startsWith(PROVIDER)) return undefined;
      const id = canonicalProvider(name.slice(PROVIDER.length));
      if (!ctx.listedProviders().includes(id)) return undefined;
      return serving(isReady() && isServing(ctx, id));
    },
    services: () => [...services, ...ctx.listedProviders().map((id) => `${PROVIDER}${id}`)],
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
