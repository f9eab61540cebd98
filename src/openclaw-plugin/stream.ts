import type { Attempt, Broker, Credential } from "../client/index.ts";
import { refusalOf } from "./answer.ts";
import type { EventStream, HttpHead, Model, StreamEvent, StreamFn, StreamOptions } from "./host.ts";
import { Relay } from "./relay.ts";
import { type Setting, wanted } from "./setting.ts";
import { errorEvent, refusedText, troubleOf } from "./trouble.ts";

/** A broker that does not answer must not hold a conversation for longer. */
const BROKER_WITHIN_MS = 15_000;
const ABOUT_ACCOUNT = new Set([401, 402, 403]);
/** Events that show the user nothing yet. */
const SILENT = new Set<StreamEvent["type"]>(["start", "text_start", "thinking_start"]);

/** One model request: its wire, its arguments, and where its events go. */
interface Request {
  readonly send: StreamFn;
  readonly model: Model;
  readonly context: unknown;
  readonly options: StreamOptions;
  readonly relay: Relay;
}

/**
 * Model requests under the broker's credentials: acquire, send, report, and go on with the next account
 * while the user has seen nothing. `send` is OpenClaw's own way to send a request.
 */
export function brokered(send: StreamFn, connection: () => Promise<Broker>, setting: Setting): StreamFn {
  return (model, context, options = {}) => {
    const relay = new Relay();
    const request = { send, model, context, options, relay };
    serve(request, connection, setting).then(
      (end) => end !== undefined && relay.push(end),
      (error: unknown) => relay.push(errorEvent(model, troubleOf(error, options.signal))),
    );
    return relay;
  };
}

/** Resolves with the event that ends the stream, if it was not passed on already. */
async function serve(
  request: Request,
  connection: () => Promise<Broker>,
  setting: Setting,
): Promise<StreamEvent | undefined> {
  const { model, options } = request;
  const { provider, ...want } = wanted(setting, model);
  const { signal, sessionId } = options;
  const broker = await connection();
  let end: (StreamEvent & { type: "error" }) | undefined;
  await broker.use(
    provider,
    {
      ...want,
      ...(sessionId !== undefined && { sessionId }),
      // No time to wait: where no account is left the broker's own reason comes instead of the provider's.
      maxWait: 0,
      timeoutMs: BROKER_WITHIN_MS,
      signal,
    },
    async (credential, attempt) => {
      const sent = await send(request, credential, attempt);
      end = sent.end;
      return sent.answer;
    },
  );
  return end === undefined ? undefined : withoutBlame(end, model);
}

/**
 * OpenClaw would bar its handle for hours after a refusal that is about one account only; the broker has
 * barred that account already.
 */
function withoutBlame(end: StreamEvent & { type: "error" }, model: Model): StreamEvent {
  const { status } = refusalOf(end.error, undefined, false);
  if (status === undefined || !ABOUT_ACCOUNT.has(status)) return end;
  return errorEvent(model, { reason: "error", message: refusedText(status) });
}

/** Sends once and passes on what comes, but for an error that another account may mend. */
async function send(request: Request, credential: Credential, attempt: Attempt) {
  const { relay, model, options } = request;
  let head: HttpHead | undefined;
  const held: StreamEvent[] = [];
  let hasBegun = false;
  const stream = await request.send(modelFor(model, credential), request.context, {
    ...options,
    headers: headersFor(model, options, credential),
    onResponse: (response, from) => {
      head = response;
      return options.onResponse?.(response, from);
    },
  });
  for await (const event of withEnd(stream)) {
    if (event.type === "error") {
      if (event.reason === "aborted") throw abortOf(options);
      attempt.fail(refusalOf(event.error, head, hasBegun));
      return { end: event };
    }
    held.push(event);
    if (!hasBegun && SILENT.has(event.type)) continue;
    hasBegun = true;
    attempt.consumed();
    for (const each of held.splice(0)) relay.push(each);
  }
  // Its headers tell the broker how full the usage windows are.
  const { status, headers } = head ?? {};
  return { answer: status === 200 ? new Response(null, { status, headers: { ...headers } }) : undefined };
}

/** The same events, and an end in any case. */
async function* withEnd(stream: EventStream): AsyncGenerator<StreamEvent, void> {
  for await (const event of stream) {
    yield event;
    if (event.type === "done" || event.type === "error") return;
  }
  const message = await stream.result();
  const { stopReason } = message;
  if (stopReason === "error" || stopReason === "aborted")
    yield { type: "error", reason: stopReason, error: message };
  else yield { type: "done", message };
}

function modelFor(model: Model, { baseUrl }: Credential): Model {
  return baseUrl === "" ? model : { ...model, baseUrl };
}

/** OpenClaw sends its handle as the key; these headers take its place. */
function headersFor(
  model: Model,
  { headers }: StreamOptions,
  credential: Credential,
): Record<string, string> {
  const hidden = model.api === "anthropic-messages" ? { "x-api-key": "" } : {};
  return { ...headers, ...hidden, ...credential.headers };
}

function abortOf({ signal }: StreamOptions): Error {
  const { reason } = signal ?? {};
  return reason instanceof Error ? reason : new DOMException("the request was aborted", "AbortError");
}
