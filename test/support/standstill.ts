const LOOK_MS = 100;
/** What the event loop of a busy machine does not stand still for. */
const STOPPED_MS = 3_000;
const MOST_TRIES = 20;

/**
 * Runs what depends on deadlines of real time, and once more after `reset` if all processes stood still
 * meanwhile, as when a machine was suspended: whatever came of it then proves nothing.
 */
export async function unlessStopped<T>(run: () => Promise<T>, reset: () => Promise<void>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    const stopped = watch();
    try {
      const result = await run();
      if (!stopped() || tries === MOST_TRIES) return result;
    } catch (error) {
      if (!stopped() || tries === MOST_TRIES) throw error;
    }
    await reset();
  }
}

/** Gives what ends the watch and tells whether this process stood still. */
function watch(): () => boolean {
  let last = performance.now();
  let isStopped = false;
  const look = () => {
    const now = performance.now();
    isStopped ||= now - last > STOPPED_MS;
    last = now;
  };
  const timer = setInterval(look, LOOK_MS);
  return () => {
    clearInterval(timer);
    look();
    return isStopped;
  };
}
