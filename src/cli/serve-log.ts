import { type Logger, pino } from "pino";

const STANDARD_ERROR = 2;

/** The broker's log on standard error: JSON lines, or something readable if a person reads it and did not ask for JSON. */
export async function daemonLog(level: string, asJson: boolean): Promise<Logger> {
  if (asJson || !process.stderr.isTTY)
    return pino({ level }, pino.destination({ fd: STANDARD_ERROR, sync: true }));
  const { PinoPretty } = await import("pino-pretty");
  const colorize = !process.env.NO_COLOR;
  return pino(
    { level },
    PinoPretty({ destination: STANDARD_ERROR, sync: true, colorize, ignore: "pid,hostname" }),
  );
}
