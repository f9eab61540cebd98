import { BrokerFailure } from "../domain/failure.ts";
import { msOf, type Seconds } from "../rpc/instants.ts";
import { fromTwin, toTwin } from "../rpc/json.ts";
import type { Message } from "../rpc/schema.ts";
import { refusedHere } from "./error.ts";

/** The message of options. Throws `BrokerError`, reason `FIELD_INVALID`, naming every field that is wrong. */
export function requestOf(name: string, options: object): Message {
  if (typeof options !== "object") throw refusedHere(notFields(name));
  try {
    return fromTwin(`authbroker.v1.${name}`, options);
  } catch (error) {
    throw refusedHere(error);
  }
}

/** `acquire("openai-codex")` is an easy mistake, since `use` begins so. */
function notFields(name: string): BrokerFailure {
  const fields = name === "ReportOutcomeRequest" ? "{ lease, … }" : '{ provider: "openai-codex" }';
  const description = `an object is expected, such as ${fields}`;
  return new BrokerFailure({ kind: "field_invalid", violations: [{ field: "options", description }] });
}

/** `maxWait` of a request in milliseconds, if it names one. */
export function waitMsOf({ maxWait }: Message): number | undefined {
  return maxWait === undefined ? undefined : msOf(maxWait as Seconds);
}

/** An answer as published in `types.ts`; the schema of the message vouches for the type. */
export function twinOf<T>(name: string, message: Message): T {
  return toTwin(`authbroker.v1.${name}`, message) as unknown as T;
}
