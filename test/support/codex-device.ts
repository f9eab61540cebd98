import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import type { AuthorizationServer, LoginAccount } from "./authorization-server.mjs";

/** Stands before an authorization server and speaks OpenAI's device dialect, as written down of the Codex CLI. */
export interface CodexDevice {
  readonly deviceUrl: string;
  /** Bodies of all requests, in order. */
  readonly asked: readonly unknown[];
  /** Plays the person who types the code in. */
  approve(account: LoginAccount): Promise<void>;
}

export async function codexDevice(authorization: AuthorizationServer): Promise<CodexDevice> {
  const asked: unknown[] = [];
  let answer: object | undefined;
  const server = createServer(async (request, response) => {
    asked.push(await json(request));
    const isStart = request.url === "/api/accounts/deviceauth/usercode";
    const body = isStart ? { device_auth_id: "dev-FAKE-1", user_code: "FAKE-CODE", interval: "5" } : answer;
    response.writeHead(body === undefined ? 403 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(body ?? { error: { code: "deviceauth_authorization_pending" } }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    deviceUrl: `${origin}/api/accounts/deviceauth/usercode`,
    asked,
    approve: async (account) => {
      const verifier = randomBytes(32).toString("base64url");
      const address = new URL(authorization.authorizeUrl);
      address.search = new URLSearchParams({
        response_type: "code",
        client_id: authorization.clientId,
        redirect_uri: `${origin}/deviceauth/callback`,
        scope: "openid profile email offline_access",
        state: "s",
        code_challenge: createHash("sha256").update(verifier).digest("base64url"),
        code_challenge_method: "S256",
      }).toString();
      const { searchParams } = await authorization.authorize(address.href, account);
      answer = { authorization_code: searchParams.get("code"), code_verifier: verifier };
    },
  };
}
