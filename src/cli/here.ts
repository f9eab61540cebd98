import { homedir, userInfo } from "node:os";
import { type Places, places } from "../places.ts";
import { CommandError } from "./command-error.ts";

/** The places of the user who runs this. Throws `EndpointError`, or `CommandError` (78) if there is no home. */
export function here(): Places {
  const { env, platform } = process;
  // A user without an entry in the password file has no name; only pipes need it.
  const user = platform === "win32" ? userInfo().username : "";
  return places({ env, platform, home: homeDirectory(), user });
}

/** The user's home directory. */
export function homeDirectory(): string {
  try {
    return homedir();
  } catch {
    if (process.env.AUTH_BROKER_HOME) return "/";
    throw new CommandError(78, "this user has no home directory", { help: "set HOME or AUTH_BROKER_HOME" });
  }
}
