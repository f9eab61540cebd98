import { createHash, randomBytes } from "node:crypto";

const MOST_REDIRECTS = 10;

/** A browser that keeps one site's cookies and follows redirects as long as they stay there. */
function browser(site) {
  /** @type {Map<string, string>} */
  const cookies = new Map();
  return async (address, form) => {
    let url = new URL(address);
    let body = form;
    for (let hops = 0; hops < MOST_REDIRECTS; hops++) {
      const response = await fetch(url, {
        method: body === undefined ? "GET" : "POST",
        ...(body === undefined ? {} : { body }),
        redirect: "manual",
        headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; ") },
      });
      for (const cookie of response.headers.getSetCookie()) {
        const [, name = "", value = ""] = cookie.match(/^([^=]+)=([^;]*)/) ?? [];
        cookies.set(name, value);
      }
      const page = await response.text();
      const location = response.headers.get("location");
      if (location === null) return { url, status: response.status, page };
      url = new URL(location, url);
      if (url.origin !== site) return { url, status: response.status, page };
      body = undefined;
    }
    throw new Error("login went in circles");
  };
}

/**
 * What a browser does during a login: follows redirects and keeps the site's cookies. Ends at the
 * first redirect that leaves the site and gives that address, which it does not open.
 *
 * @param {string} address
 * @returns {Promise<URL>}
 */
export async function followLogin(address) {
  const site = new URL(address).origin;
  const { url, status, page } = await browser(site)(address);
  if (url.origin === site) throw new Error(`login stopped: ${status} ${page}`);
  return url;
}

/**
 * What a person does on the page of a device login that has the code in its address: looks at it, says
 * yes or no, logs in.
 *
 * @param {string} address
 * @param {boolean} agrees
 */
export async function followDevice(address, agrees) {
  const browse = browser(new URL(address).origin);
  const shown = await browse(address);
  const asked = await browse(...filled(shown));
  const [action, fields] = filled(asked);
  if (!agrees) fields.set("abort", "yes");
  const { status, page } = await browse(action, fields);
  if (agrees && status !== 200) throw new Error(`device login stopped: ${status} ${page}`);
}

/** The one form of a page, as it stands. */
function filled({ url, page }) {
  const action = /<form[^>]* action="([^"]*)"/.exec(page)?.[1];
  if (action === undefined) throw new Error(`no form in: ${page}`);
  const inputs = page.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g);
  return [
    new URL(action, url).href,
    new URLSearchParams([...inputs].map(([, name, value]) => [name, value])),
  ];
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
