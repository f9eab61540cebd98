import { randomUUID } from "node:crypto";
import type { Broker } from "../client/index.ts";
import { type PipedChild, startPipedChild } from "./child.ts";
import { Loan, type LoanOptions } from "./loan.ts";
import { APP_SERVER_ARGUMENTS, codexEnvironment } from "./program.ts";
import { Shim } from "./shim.ts";

/** What is done about an app-server that goes on without its client, and after how many milliseconds. */
const LEAVING = [
  ["SIGTERM", 2_000],
  ["SIGKILL", 5_000],
] as const;

/** What an app-server on borrowed credentials needs. */
export interface ServeSetting {
  readonly broker: Broker;
  readonly program: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly note: (line: string) => void;
  readonly options: Omit<LoanOptions, "sessionId"> & { readonly sessionId: string | undefined };
}

/**
 * Runs the app-server of Codex on the user's own home, with its login in memory only, between our own
 * standard input and output. It ends with its client or by itself; gives its exit code.
 */
export async function serveAppServer(setting: ServeSetting): Promise<number> {
  const { broker, program, args, note, options } = setting;
  const { env, setAside } = codexEnvironment(setting.env);
  for (const name of setAside) note(`${name} is set aside: the broker's credential is used`);
  const sessionId = options.sessionId ?? `codex-app-server-${randomUUID()}`;
  const child = await startPipedChild(program, [...args, ...APP_SERVER_ARGUMENTS], env);
  const { stdin: input, stdout: output } = process;
  const client = { input, output };
  const loan = new Loan(broker, { ...options, sessionId }, note);
  const shim = new Shim({ client, server: { input: child.stdout, output: child.stdin } }, loan, note);
  const hangUp = () => leave(child);
  output.once("error", hangUp);
  void shim.fromClient().then(hangUp, hangUp);
  const [code] = await Promise.all([child.ended, shim.fromServer()]);
  input.destroy();
  await loan.settled();
  return code;
}

/** Nobody is there any more: the app-server ends with its input, or soon after. */
function leave(child: PipedChild): void {
  child.stdin.end();
  for (const [signal, ms] of LEAVING) setTimeout(() => child.kill(signal), ms).unref();
}
