import { z } from "zod";
import { isSafeForSecrets } from "../domain/url.ts";

function parsed(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

function carriesPassword(url: URL): boolean {
  return url.username !== "" || url.password !== "";
}

/** A URL to which a secret may be sent. */
export const secretUrl = z.string().superRefine((text, context) => {
  const url = parsed(text);
  const problem =
    url === undefined
      ? "must be a URL"
      : !isSafeForSecrets(url)
        ? "must be an https URL; plain http is allowed on loopback only"
        : carriesPassword(url)
          ? "must not carry a user name or password"
          : undefined;
  if (problem !== undefined) context.addIssue({ code: "custom", message: problem, input: text });
});

/**
 * An HTTP proxy, or empty for none. Plain http is allowed: what goes through it is TLS to the
 * provider all the same.
 */
export const proxyUrl = z.string().refine((text) => {
  const url = parsed(text);
  return text === "" || url?.protocol === "http:" || url?.protocol === "https:";
}, "must be an http or https URL, or empty");
