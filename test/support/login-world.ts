import { request } from "node:http";
import { onTestFinished } from "vitest";
import {
  type AuthorizationServer,
  type LoginAccount,
  type Options,
  startAuthorizationServer,
} from "./authorization-server.mjs";
import { type World, world } from "./broker-world.ts";
import type { Stream } from "./peer.ts";
import type { Json, ProfileJson } from "./wire-json.ts";

export const ANN = { sub: "ann", email: "ann@example.test", accountId: "acct-a", userId: "user-a" };
export const BOB = { sub: "bob", email: "bob@example.test", accountId: "acct-b", userId: "user-b" };
/** The provider whose server is the real one of these tests. */
export const COMPANY = "my-company";

export interface LoginJson {
  readonly loginId: string;
  readonly provider: string;
  readonly profileId: string;
  readonly flow: string;
  readonly state: string;
  readonly reason: string;
  readonly message: string;
  readonly authorizeUrl: string;
  readonly redirectUrl: string;
  readonly userCode: string;
  readonly verificationUrl: string;
  readonly verificationUrlComplete: string;
  readonly interval: string | null;
  readonly expireTime: string;
  readonly notes: readonly string[];
  readonly profile: ProfileJson | null;
}

/** The calls of LoginService. */
export class LoginCalls {
  readonly #broker: World;

  constructor(broker: World) {
    this.#broker = broker;
  }

  start(request: Json): Promise<LoginJson> {
    return this.#login("StartLogin", request);
  }
  submit(loginId: string, answer: string): Promise<LoginJson> {
    return this.#login("SubmitLogin", { loginId, answer });
  }
  cancel(loginId: string): Promise<LoginJson> {
    return this.#login("CancelLogin", { loginId });
  }
  async list(): Promise<readonly LoginJson[]> {
    return (await this.#broker.admin.call("login", "ListLogins", {})).logins as never;
  }
  watch(loginId: string): Stream<{ login: LoginJson }> {
    return this.#broker.admin.stream("login", "WatchLogin", { loginId }) as Stream<never>;
  }
  /** The login when it is over. */
  async end(loginId: string): Promise<LoginJson> {
    const isOver = ({ login }: { login: LoginJson }) => /_(DONE|FAILED|CANCELLED)$/.test(login.state);
    return (await this.watch(loginId).until(isOver)).login;
  }
  logout(request: Json): Promise<{ revoked: boolean; message: string }> {
    return this.#broker.admin.call("login", "Logout", request) as Promise<never>;
  }

  async #login(method: string, request: Json): Promise<LoginJson> {
    return (await this.#broker.admin.call("login", method, request)).login as never;
  }
}

export interface LoginWorld {
  readonly broker: World;
  readonly logins: LoginCalls;
  readonly server: AuthorizationServer;
  /** Logs in by loopback from the beginning to the end. */
  logIn(account: LoginAccount, request?: Json): Promise<LoginJson>;
}

export interface LoginWorldOptions {
  readonly server?: Options;
  /** Settings of the provider besides its addresses. */
  readonly provider?: Json;
  /** How far the broker's clock is ahead of the real one. */
  readonly aheadMs?: number;
}

/** The configuration of a provider at a real authorization server. */
export function companyConfig(server: AuthorizationServer, more: Json = {}): Json {
  const { issuer, authorizeUrl, tokenUrl, deviceUrl, revokeUrl, clientId } = server;
  const scopes = ["openid", "profile", "email", "offline_access"];
  const own = {
    type: "generic-oauth2",
    issuer,
    authorizeUrl,
    tokenUrl,
    deviceUrl,
    revokeUrl,
    clientId,
    scopes,
  };
  return { providers: { [COMPANY]: { ...own, ...more } }, refresh: { minInterval: "0s" } };
}

/** A broker and a real authorization server for one test. */
export async function loginWorld(options: LoginWorldOptions = {}): Promise<LoginWorld> {
  const server = await startAuthorizationServer(options.server);
  onTestFinished(() => server.close());
  const broker = await world({
    startMs: Date.now() + (options.aheadMs ?? 0),
    fetch: (url, init) => fetch(url, init),
    config: companyConfig(server, options.provider),
  });
  onTestFinished(() => broker[Symbol.asyncDispose]());
  const logins = new LoginCalls(broker);
  const logIn = async (account: LoginAccount, request: Json = {}) => {
    const { loginId, authorizeUrl } = await logins.start({ provider: COMPANY, ...request });
    await visit(await server.authorize(authorizeUrl, account));
    return logins.end(loginId);
  };
  return { broker, logins, server, logIn };
}

/** What a browser is shown. */
export interface Visit {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly page: string;
}

/** Opens an address on a connection of its own, under any Host that one likes. */
export function visit(
  address: URL | string,
  { method = "GET", host }: { readonly method?: string; readonly host?: string } = {},
): Promise<Visit> {
  return new Promise((resolve, reject) => {
    const headers = host === undefined ? {} : { host };
    const { hostname, port, pathname, search } = new URL(address);
    const local = hostname === "localhost" ? "127.0.0.1" : hostname;
    const real = { host: local, port, path: `${pathname}${search}`, method, agent: false };
    const sent = request({ ...real, headers: { host: `${hostname}:${port}`, ...headers } }, (response) => {
      let page = "";
      response.setEncoding("utf8");
      response.on("data", (text: string) => {
        page += text;
      });
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, page }),
      );
    });
    sent.on("error", reject);
    sent.end();
  });
}
