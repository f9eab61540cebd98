import { basename } from "node:path";

/** The files in which known programs keep logins, and how a person signs out there. */
const WAYS: Readonly<Record<string, string>> = {
  "auth.json": "codex logout",
  ".credentials.json": "/logout in Claude Code",
  "oauth_creds.json": "remove that file, Gemini CLI has no other way",
  "auth-profiles.json": "remove the profile in OpenClaw",
};

/** How to sign the program of a file out of the login in it; empty path: which program that is is unknown. */
export function signOutHint(sourcePath: string): string {
  return WAYS[basename(sourcePath)] ?? "or remove its file of logins";
}
