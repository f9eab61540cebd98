const QUIET_MS = 1_000;

/** Waits for something and, if it takes over a second and a person watches, says so. */
export async function withProgress<T>(what: string, work: Promise<T>): Promise<T> {
  if (!process.stderr.isTTY) return work;
  const startMs = performance.now();
  let isShown = false;
  const timer = setInterval(() => {
    isShown = true;
    const seconds = Math.round((performance.now() - startMs) / 1000);
    process.stderr.write(`\r\u001b[K${what}… ${seconds} s`);
  }, QUIET_MS);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    if (isShown) process.stderr.write("\r\u001b[K");
  }
}
