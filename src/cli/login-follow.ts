import { constants } from "node:os";
import { createInterface } from "node:readline";
import type { Message } from "../rpc/schema.ts";
import { openBrowser } from "./browser.ts";
import { answerJson, type Line } from "./call.ts";
import { CommandError } from "./command-error.ts";
import {
  addressOfLogin,
  type LoginView,
  loginError,
  loginView,
  profileOf,
  showDone,
  showProgress,
  showTask,
} from "./login-view.ts";
import { note, plain, printJsonLine } from "./output.ts";

export interface LoginOptions {
  readonly label?: string;
  readonly device?: boolean;
  readonly paste?: boolean;
  readonly browser: boolean;
  readonly allowAccountChange?: boolean;
  readonly json?: boolean;
}

/** Looking at the end of a login takes longer than any call: only the broker ends it. */
const ENDS = ["LOGIN_STATE_DONE", "LOGIN_STATE_FAILED", "LOGIN_STATE_CANCELLED"];

/** One login from the beginning to its end. Rejects with `CommandError` if it does not succeed. */
export async function logIn(line: Line, provider: string, options: LoginOptions): Promise<void> {
  const started = await line.call("StartLogin", requestOf(provider, options));
  const login = loginView(started);
  const stopListening = cancelOnInterrupt(line, login);
  if (options.json) printJsonLine(answerJson("StartLogin", started));
  else showTask(login, Date.now());
  await showBrowser(login, options);
  const asking = askForAnswer(line, login);
  let isAbandoned = false;
  asking.failed.catch(() => {
    isAbandoned = true;
  });
  try {
    await Promise.race([follow(line, login, options), asking.failed]);
  } catch (error) {
    if (isAbandoned) await giveUp(line, login);
    throw error;
  } finally {
    asking.stop();
    stopListening();
  }
}

function requestOf(
  provider: string,
  { label = "", device, paste, allowAccountChange }: LoginOptions,
): Message {
  const flow = device ? "LOGIN_FLOW_DEVICE" : paste ? "LOGIN_FLOW_PASTE" : "LOGIN_FLOW_UNSPECIFIED";
  return { provider, label, flow, allowAccountChange: allowAccountChange === true };
}

/** A paste is for those whose browser is elsewhere. */
async function showBrowser(login: LoginView, { browser }: LoginOptions): Promise<void> {
  if (!browser || login.flow === "LOGIN_FLOW_PASTE" || login.flow === "LOGIN_FLOW_CLIENT") return;
  if (!(await openBrowser(addressOfLogin(login))))
    note("no browser could be opened; open the address yourself");
}

async function follow(line: Line, { loginId }: LoginView, { json }: LoginOptions): Promise<void> {
  for await (const message of line.stream("WatchLogin", { loginId })) {
    const login = loginView(message);
    if (json) printJsonLine(answerJson("WatchLogin", message));
    else showProgress(login);
    if (!ENDS.includes(login.state)) continue;
    if (login.state !== "LOGIN_STATE_DONE") throw loginError(login);
    if (!json) showDone(login, profileOf(message));
    return;
  }
}

interface Asking {
  /** Rejects if standard input ended before there was an answer. */
  readonly failed: Promise<never>;
  stop(): void;
}

/**
 * Takes what a person pastes: needed where nothing listens for the browser, and a way out where
 * something does but the browser is on another machine.
 */
function askForAnswer(line: Line, { loginId, flow }: LoginView): Asking {
  const isNeeded = flow === "LOGIN_FLOW_PASTE";
  const isPossible = flow === "LOGIN_FLOW_LOOPBACK" && process.stdin.isTTY === true;
  if (!isNeeded && !isPossible) return { failed: new Promise(() => {}), stop: () => {} };
  note(
    isNeeded
      ? "then paste here the address at which the browser ends, or the code that the page shows:"
      : "is the browser on another machine? paste here the address at which it ends",
  );
  const lines = createInterface({ input: process.stdin });
  let isStopped = false;
  const failed = new Promise<never>((_resolve, reject) => {
    const submit = async (answer: string) => {
      if (answer.trim() === "") return;
      try {
        await line.call("SubmitLogin", { loginId, answer });
      } catch (error) {
        const mayTryAgain = process.stdin.isTTY && error instanceof CommandError && error.exit === 64;
        if (mayTryAgain) note(`${plain(error.message)}; try again`);
        else reject(error);
      }
    };
    let isAnswered = false;
    lines.on("line", (answer) => {
      isAnswered ||= answer.trim() !== "";
      void submit(answer);
    });
    lines.on("close", () => {
      if (isStopped || !isNeeded || isAnswered) return;
      reject(new CommandError(65, "standard input ended before anything was pasted"));
    });
  });
  const stop = () => {
    isStopped = true;
    lines.close();
    process.stdin.pause();
  };
  return { failed, stop };
}

/** Ctrl-C gives the login up at the broker, too, and ends the program as an interrupt does. */
function cancelOnInterrupt(line: Line, login: LoginView): () => void {
  const onInterrupt = () => {
    giveUp(line, login).finally(() => process.exit(128 + constants.signals.SIGINT));
  };
  process.once("SIGINT", onInterrupt);
  return () => process.off("SIGINT", onInterrupt);
}

async function giveUp(line: Line, { loginId }: LoginView): Promise<void> {
  await line.call("CancelLogin", { loginId }).catch(() => {});
}
