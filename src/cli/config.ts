import { existsSync } from "node:fs";
import type { Command } from "commander";
import { CommandError } from "./command-error.ts";
import { here } from "./here.ts";
import { jsonOption } from "./options.ts";
import { note, print, printJson } from "./output.ts";
import { sheet } from "./table.ts";

export function defineConfig(command: Command): void {
  jsonOption(command.command("schema"))
    .description("print the JSON Schema of config.json, for editors and checks")
    .addHelpText("after", "\nExample:\n  $ auth-broker config schema > auth-broker.schema.json")
    .action(async () => {
      const { configSchema } = await import("../config.ts");
      print(JSON.stringify(configSchema(), undefined, 2));
    });
  jsonOption(command.command("check").description("tell everything that is wrong with config.json"))
    .argument("[file]", "default: where the broker reads it")
    .addHelpText("after", "\nExits with 78 if something is.\n\nExample:\n  $ auth-broker config check")
    .action((file: string | undefined, { json }: { json?: boolean }) => check(file, json === true));
  jsonOption(command.command("paths").description("show where everything lies: files, state and sockets"))
    .addHelpText("after", "\nExample:\n  $ SOCKET=$(auth-broker config paths --json | jq -r .agentSocket)")
    .action(async ({ json }: { json?: boolean }) => paths(json === true));
  command.addHelpText("after", "\nExample:\n  $ auth-broker config check");
}

async function check(file: string | undefined, asJson: boolean): Promise<void> {
  const path = file ?? here().configFile;
  if (file !== undefined && !existsSync(file)) throw new CommandError(66, `${file}: no such file`);
  const [{ loadConfig }, { configWarnings }] = await Promise.all([
    import("../config.ts"),
    import("./config-warnings.ts"),
  ]);
  const warnings = await configWarnings(await loadConfig(path), file === undefined ? path : undefined);
  const exists = existsSync(path);
  if (asJson) return printJson({ file: path, exists, warnings });
  print(exists ? `${path} is fine` : `${path} does not exist; the defaults apply`);
  for (const warning of warnings) note(`warning: ${warning}`);
}

async function paths(asJson: boolean): Promise<void> {
  const { addressText } = await import("../endpoint/address.ts");
  const where = here();
  const home = process.env.AUTH_BROKER_HOME ?? "";
  const { configFile, keyFile, stateDir } = where;
  const agentSocket = addressText(where.agentAddress);
  const adminSocket = addressText(where.adminAddress);
  if (asJson) return printJson({ home, configFile, keyFile, stateDir, agentSocket, adminSocket });
  print(
    sheet([
      ["AUTH_BROKER_HOME", home === "" ? "not set" : home],
      ["config file", configFile],
      ["key", keyFile],
      ["state", stateDir],
      ["agent socket", agentSocket],
      ["admin socket", adminSocket],
      ["log", "standard error of auth-broker serve (under systemd: journalctl --user -u auth-broker)"],
    ]),
  );
}
