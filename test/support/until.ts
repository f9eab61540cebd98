/**
 * Resolves as soon as `holds` is true, asking once per turn of the event loop. For states that have
 * no event of their own, such as the number of open descriptors; the test's timeout ends it.
 */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}
