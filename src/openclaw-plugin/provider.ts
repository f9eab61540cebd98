import type { Broker } from "../client/index.ts";
import type { ProviderPlugin, WrapContext } from "./host.ts";
import { HANDLE, localBroker } from "./login.ts";
import { PROVIDER, providersOf, type Setting } from "./setting.ts";
import { brokered } from "./stream.ts";
import { usageOf } from "./usage.ts";

/** The provider that OpenClaw sees. Its one profile is a handle: no secret, never refreshed, the same for every agent. */
export function authbroker(setting: Setting, connection: () => Promise<Broker>): ProviderPlugin {
  const wrap = ({ streamFn }: WrapContext) =>
    streamFn === undefined ? undefined : brokered(streamFn, connection, setting);
  return {
    id: PROVIDER,
    label: "auth-broker",
    auth: [localBroker],
    // The handle stays what OpenClaw keeps; the credential comes with each request.
    prepareRuntimeAuth: async ({ apiKey }) => ({ apiKey }),
    wrapStreamFn: wrap,
    wrapSimpleCompletionStreamFn: wrap,
    // Nothing of OpenClaw's own serves: the broker is asked.
    resolveUsageAuth: () => ({ token: HANDLE }),
    fetchUsageSnapshot: ({ signal }) => usageOf(connection, providersOf(setting), signal),
  };
}
