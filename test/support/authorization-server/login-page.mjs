import { text } from "node:stream/consumers";
import { approve, NOBODY } from "./oidc.mjs";

/**
 * The pages on which a person in a browser logs in and consents: a name to type in, and two buttons.
 *
 * @param {import("node:http").IncomingMessage} req
 * @param {import("node:http").ServerResponse} res
 */
export async function loginPage(provider, req, res) {
  if (req.method === "POST") {
    const form = new URLSearchParams(await text(req));
    const user = form.get("answer") === "deny" ? NOBODY : (form.get("user") ?? "");
    await approve(provider, req, res, user);
    return;
  }
  const { prompt } = await provider.interactionDetails(req, res);
  const field = prompt.name === "login" ? '<label>User <input name="user" autofocus></label>' : "";
  res.writeHead(200, { "content-type": "text/html; charset=utf-8" });
  res.end(`<!doctype html><title>${prompt.name}</title><form method="post">${field}
<button name="answer" value="approve">Approve</button><button name="answer" value="deny">Deny</button></form>`);
}
