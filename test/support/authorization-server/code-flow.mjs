import { createHash, randomBytes } from "node:crypto";

const MOST_REDIRECTS = 10;

/**
 * What a browser does during a login: follows redirects and keeps the site's cookies. Ends at the
 * first redirect that leaves the site and gives that address, which it does not open.
 *
 * @param {string} address
 * @returns {Promise<URL>}
 */
export async function followLogin(address) {
  let url = new URL(address);
  const site = url.origin;
  /** @type {Map<string, string>} */
  const cookies = new Map();
  for (let hops = 0; hops < MOST_REDIRECTS; hops++) {
    const response = await fetch(url, {
      redirect: "manual",
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; ") },
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = cookie.match(/^([^=]+)=([^;]*)/) ?? [];
      cookies.set(name, value);
    }
    const page = await response.text();
    const location = response.headers.get("location");
    if (location === null) throw new Error(`login stopped: ${response.status} ${page}`);
    url = new URL(location, url);
    if (url.origin !== site) return url;
  }
  throw new Error("login went in circles");
}

/**
 * A whole login as a client program does it: authorization code flow with PKCE (RFC 7636).
 *
 * @param {{tokenUrl: string, authorizeUrl: string, clientId: string, redirectUri: string, scope: string,
 *   browse: (address: string) => Promise<URL>}} client
 */
export async function codeFlow({ tokenUrl, authorizeUrl, clientId, redirectUri, scope, browse }) {
  const verifier = randomBytes(32).toString("base64url");
  const state = randomBytes(8).toString("hex");
  const query = new URLSearchParams({
    response_type: "code",
    client_id: clientId,
    redirect_uri: redirectUri,
    scope,
    state,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  });
  const { searchParams } = await browse(`${authorizeUrl}?${query}`);
  const code = searchParams.get("code");
  if (code === null || searchParams.get("state") !== state) throw new Error(`login refused: ${searchParams}`);
  const response = await fetch(tokenUrl, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "authorization_code",
      client_id: clientId,
      redirect_uri: redirectUri,
      code,
      code_verifier: verifier,
    }),
  });
  if (!response.ok) throw new Error(`code exchange refused: ${response.status}`);
  const tokens = await response.json();
  return {
    accessToken: tokens.access_token,
    refreshToken: tokens.refresh_token,
    idToken: tokens.id_token,
    expiresIn: tokens.expires_in,
    scope: tokens.scope,
  };
}
