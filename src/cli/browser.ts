import { spawn } from "node:child_process";

/**
 * Opens an address in the user's browser, never through a shell. Resolves with false if the program that
 * opens it cannot be started; whether a browser shows it nobody can tell.
 */
export function openBrowser(address: string): Promise<boolean> {
  const { protocol } = new URL(address);
  if (protocol !== "https:" && protocol !== "http:") return Promise.resolve(false);
  const [program, ...args] = OPENERS[process.platform] ?? ["xdg-open"];
  return new Promise((resolve) => {
    const child = spawn(program, [...args, address], { stdio: "ignore", detached: true });
    child.once("error", () => resolve(false));
    child.once("spawn", () => {
      child.unref();
      resolve(true);
    });
  });
}

/** `start` of Windows belongs to its shell; this is what it ends up calling. */
const OPENERS: Partial<Record<NodeJS.Platform, readonly [string, ...string[]]>> = {
  darwin: ["open"],
  win32: ["rundll32", "url.dll,FileProtocolHandler"],
};
