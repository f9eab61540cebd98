import type { Discovery, Reach } from "./discovery.ts";
import type { Fetch } from "./fetch.ts";
import type { LoginProtocol, ReadUsage, RefreshGrant } from "./provider.ts";

/**
 * What no broker needs before something has happened: a third of its modules, and 15 ms for the data
 * about zones. `loadLate` fetches them when it already serves; whoever comes sooner waits for them.
 */
export async function loadLate(): Promise<void> {
  const [{ loadZones }] = await Promise.all([loadDialects(), loadRefresh()]);
  loadZones();
}

/** All that reads answers. */
export async function loadDialects() {
  const [{ classifyFor }, { withRules }, { loadZones }] = await Promise.all([
    import("./classify.ts"),
    import("./rules.ts"),
    import("./dialect/civil-time.ts"),
  ]);
  return { classifyFor, withRules, loadZones };
}

function loadRefresh() {
  return import("./oauth.ts");
}

/** Looks issuers up; refreshes and logins share what it remembers. */
export function lateDiscovery(fetch: Fetch): Discovery {
  let made: Promise<Discovery> | undefined;
  const discovery = () => {
    made ??= import("./discovery.ts").then(
      ({ createDiscovery }) => createDiscovery(fetch),
      (error: unknown) => {
        // Files of a program that is being replaced may be back in a moment.
        made = undefined;
        throw error;
      },
    );
    return made;
  };
  return { find: async (...about) => (await discovery()).find(...about) };
}

/** Refreshes over the network. */
export function lateRefreshGrant(options: Reach): RefreshGrant {
  return async (request) => {
    const loaded = await loadRefresh().catch(() => undefined);
    if (loaded === undefined) return { kind: "unsent", code: "program_incomplete" };
    return loaded.createRefreshGrant(options)(request);
  };
}

/** Reads usage over the network. */
export function lateReadUsage(options: { readonly fetch: Fetch }): ReadUsage {
  return async (request) => (await import("./usage.ts")).createReadUsage(options)(request);
}

/** Logs in over the network. */
export function lateLoginProtocol(options: Reach): LoginProtocol {
  const protocol = async () => (await import("./login.ts")).createLoginProtocol(options);
  return {
    authorize: async (...about) => (await protocol()).authorize(...about),
    device: async (...about) => (await protocol()).device(...about),
    client: async (...about) => (await protocol()).client(...about),
    revoke: async (...about) => (await protocol()).revoke(...about),
  };
}
