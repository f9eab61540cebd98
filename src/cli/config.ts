import { existsSync } from "node:fs";
import type { Command } from "commander";
import { CommandError } from "./command-error.ts";
import { here } from "./here.ts";
import { jsonOption } from "./options.ts";
import { print, printJson } from "./output.ts";

export function defineConfig(command: Command): void {
  command
    .command("schema")
    .description("print the JSON Schema of config.json, for editors and checks")
    .addHelpText("after", "\nExample:\n  $ auth-broker config schema > auth-broker.schema.json")
    .action(async () => {
      const { configSchema } = await import("../config.ts");
      print(JSON.stringify(configSchema(), undefined, 2));
    });
  jsonOption(command.command("check").description("tell everything that is wrong with config.json"))
    .argument("[file]", "default: where the broker reads it")
    .addHelpText("after", "\nExits with 78 if something is.\n\nExample:\n  $ auth-broker config check")
    .action(async (file: string | undefined, { json }: { json?: boolean }) => {
      const { loadConfig } = await import("../config.ts");
      const path = file ?? here().configFile;
      if (file !== undefined && !existsSync(file)) throw new CommandError(66, `${file}: no such file`);
      await loadConfig(path);
      const exists = existsSync(path);
      if (json) printJson({ file: path, exists });
      else print(exists ? `${path} is fine` : `${path} does not exist; the defaults apply`);
    });
  command.addHelpText("after", "\nExample:\n  $ auth-broker config check");
}
