import { LoginFailed, type LoginFlow, type Redirect, redirectUrl } from "../domain/login.ts";
import type { Authorization, LoginProtocol, OAuthClient } from "../provider/provider.ts";
import type { Login } from "./login-entry.ts";
import type { LoginRun } from "./login-run.ts";

/** What a browser is shown at the end of a login. */
export interface Page {
  readonly isGood: boolean;
  readonly text: string;
  /** What else is worth showing, each with its name. */
  readonly facts?: readonly (readonly [name: string, value: string])[];
}

/** A listener on this machine that waits for a browser. */
export interface Loopback {
  readonly port: number;
  /** Ports that were wanted and belong to somebody else. */
  readonly busyPorts: readonly number[];
  close(): Promise<void>;
}

/**
 * Opens a listener; `onAnswer` gets the parameters that a browser brings and gives the page to show, or
 * undefined if they are not about this login. Undefined: every port that was wanted is taken.
 */
export type OpenLoopback = (
  redirect: Redirect,
  onAnswer: (answer: URLSearchParams) => Promise<Page | undefined>,
) => Promise<Loopback | undefined>;

/** How logins reach the provider and the browser. */
export interface LoginWiring {
  readonly protocol: LoginProtocol;
  readonly openLoopback: OpenLoopback;
}

/** Where the browser comes back to, and what it was sent out with. */
export interface Landing {
  readonly authorization: Authorization;
  readonly redirectUrl: string;
  readonly notes: readonly string[];
  close(): Promise<void>;
}

const DEFAULT_REDIRECT: Redirect = { host: "127.0.0.1", ports: [], path: "/callback" };
/** Named in the address when nothing listens: the browser shows an error, and the address holds the code. */
const UNHEARD_PORT = 53_682;

/** Begins an authorization request whose answer comes to a listener of ours, or by hand. Rejects with `LoginFailed`. */
export async function openLanding(
  { protocol, openLoopback }: LoginWiring,
  client: OAuthClient,
  flow: LoginFlow,
  run: LoginRun,
): Promise<Landing> {
  const redirect = client.login?.redirect ?? DEFAULT_REDIRECT;
  const authorize = (url: string) => run.once((attempt) => protocol.authorize(client, url, attempt));
  if (flow === "PASTE") {
    const url = client.login?.pasteRedirect ?? redirectUrl(redirect, redirect.ports[0] ?? UNHEARD_PORT);
    return { authorization: await authorize(url), redirectUrl: url, notes: [], close: async () => {} };
  }
  let authorization: Authorization | undefined;
  const loopback = await openLoopback(redirect, async (answer) => {
    if (authorization === undefined || answer.get("state") !== authorization.state) return undefined;
    // A browser may deliver an answer twice; both times it sees what came of it.
    await run.redeem(authorization, answer);
    return pageFor(run.entry.login);
  });
  if (loopback === undefined) throw new LoginFailed("PORT_BUSY", redirect.ports.join(" and "));
  const { port, busyPorts, close } = loopback;
  const url = redirectUrl(redirect, port);
  try {
    authorization = await authorize(url);
  } catch (error) {
    await close();
    throw error;
  }
  const notes = busyPorts.map((busy) => `port ${busy} is taken by another program; port ${port} is used`);
  return { authorization, redirectUrl: url, notes, close };
}

function pageFor(login: Login): Page {
  if (login.state === "DONE") {
    const { email, planType } = login.profile?.account ?? {};
    const facts = [
      ["Account", email],
      ["Plan", planType],
    ] as const;
    return {
      isGood: true,
      text: `${login.profileId} is logged in, and agents can use it. You can close this page.`,
      facts: facts.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])),
    };
  }
  return { isGood: false, text: `The login did not succeed: ${login.message}.` };
}
