import { z } from "zod";
import { parsed } from "./damage.ts";
import type { Codec } from "./document.ts";
import type { ProviderState } from "./store.ts";

const ProviderRecords = z.record(
  z.string(),
  z.object({
    order: z.array(z.string()).readonly().exactOptional(),
    ban: z.object({ profile: z.string(), setAtMs: z.number() }).exactOptional(),
  }),
);

/** What is kept of all providers, one record for all. */
export const providersCodec: Codec<Readonly<Record<string, ProviderState>>> = {
  encode: (providers) => providers,
  decode: (record) => parsed(ProviderRecords, record),
  generation: () => 0,
};
