/** True for `localhost` and the loopback addresses of IPv4 and IPv6; `url` as the URL standard writes it. */
export function isLoopback(url: URL): boolean {
  const host = url.hostname;
  return host === "localhost" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** True if a secret may be sent there: https anywhere, plain http on loopback only. */
export function isSafeForSecrets(url: URL): boolean {
  return url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url));
}
