import { tellsFailure } from "./error-chain.ts";
import { asObject, type JsonObject, readJson } from "./loose-json.ts";

const MOST_EVENTS_READ = 32;
/** What stands in the data of an event worth reading; the rest of a stream is content. */
const MARKS = ['"error"', '"response.failed"', '"codex.rate_limits"', '"rate_limits"', '"base_resp"'];

export interface StreamRead {
  /** The event that says the stream failed. */
  readonly failure?: JsonObject;
  /** An event that shows usage. */
  readonly usage?: JsonObject;
}

/** True if the text has the form of server-sent events. */
export function isEventStream(body: string): boolean {
  const start = body.trimStart();
  return start.startsWith("data:") || start.startsWith("event:") || body.includes("\ndata:");
}

/** Finds the events of a stream that matter to a credential: the first failure and the last usage. */
export function readStream(body: string): StreamRead {
  let failure: JsonObject | undefined;
  let usage: JsonObject | undefined;
  let name = "";
  let data = "";
  let reads = 0;
  for (const line of `${body}\n\n`.split("\n")) {
    if (failure !== undefined) break;
    const text = line.endsWith("\r") ? line.slice(0, -1) : line;
    if (text.startsWith("event:")) name = text.slice(6).trim();
    else if (text.startsWith("data:")) data += text.slice(5);
    else if (text === "") {
      const matters = name === "error" || MARKS.some((mark) => data.includes(mark));
      const event = matters && reads++ < MOST_EVENTS_READ ? asObject(readJson(data)) : undefined;
      if (event !== undefined) {
        if (tellsFailure(event)) failure = event;
        else if (name === "error" && Object.keys(event).length > 0) failure = { error: event };
        else usage = event;
      }
      name = "";
      data = "";
    }
  }
  return { ...(failure === undefined ? {} : { failure }), ...(usage === undefined ? {} : { usage }) };
}
