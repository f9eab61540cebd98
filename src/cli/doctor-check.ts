/** One thing that was looked at. */
export interface Check {
  readonly status: "ok" | "warn" | "fail";
  /** What it is about, such as `config`. */
  readonly topic: string;
  readonly message: string;
  /** What to do; empty if nothing needs to be done. */
  readonly help: string;
}

export function ok(topic: string, message: string): Check {
  return { status: "ok", topic, message, help: "" };
}

/** Something that a person should know; everything works all the same. */
export function warn(topic: string, message: string, help = ""): Check {
  return { status: "warn", topic, message, help };
}

/** Something that keeps the broker or its clients from working, or its secrets from being safe. */
export function fail(topic: string, message: string, help = ""): Check {
  return { status: "fail", topic, message, help };
}
