/**
 * Resolves as soon as `holds` is true, asking once per turn of the event loop. For states that have
 * no event of their own, such as the number of open descriptors; the test's timeout ends it.
 */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

/** Lets the event loop turn often enough that what was written to a local socket has been read. */
export async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i += 1) await new Promise((resolve) => setImmediate(resolve));
}
