/** The plugin of OpenClaw: `plugins.load.paths` or `openclaw plugins install` finds it by package.json. */
import { sharedConnection } from "./connection.ts";
import type { PluginApi } from "./host.ts";
import { authbroker } from "./provider.ts";
import { PROVIDER, type Setting } from "./setting.ts";

export default {
  id: PROVIDER,
  name: "auth-broker",
  description: "Models under the accounts of the auth-broker on this machine.",
  register(api: PluginApi): void {
    const setting: Setting = api.pluginConfig ?? {};
    const { socket } = setting;
    api.registerProvider(
      authbroker(setting, sharedConnection({ ...(socket !== undefined && { address: socket }) })),
    );
  },
};
