/** Calls `fire` once after `afterMs` unless the returned function was called before. */
export type StartTimer = (afterMs: number, fire: () => void) => () => void;

/** The real one. Does not keep the process alive. */
export const startTimer: StartTimer = (afterMs, fire) => {
  const timer = setTimeout(fire, afterMs);
  timer.unref();
  return () => clearTimeout(timer);
};
