import { type ServerUnaryCall, type ServerWritableStream, type sendUnaryData, status } from "@grpc/grpc-js";
import { type Message, SERVICES, type Service } from "./schema.ts";
import { serverDefinition } from "./services.ts";

/** Where health comes from. */
export interface HealthSource {
  /** Undefined: there is no such service for this peer. `""` is the server as a whole. */
  status(service: string, peer: string): "SERVING" | "NOT_SERVING" | undefined;
  /** The services that `List` names to this peer. */
  services(peer: string): readonly string[];
  /** Calls the listener after every change until the function it returns is called. */
  onChange(listener: () => void): () => void;
}

export interface HealthService extends Service {
  /** Ends every watch with UNAVAILABLE, and every later one at once. For a server that stops. */
  end(): void;
}

type Watch = ServerWritableStream<Message, Message>;

/** `grpc.health.v1.Health` over a source. */
export function healthService(source: HealthSource): HealthService {
  const watches = new Set<Watch>();
  let ended = false;
  return {
    definition: serverDefinition(SERVICES.health),
    implementation: {
      Check(call: ServerUnaryCall<Message, Message>, reply: sendUnaryData<Message>) {
        const found = source.status(serviceOf(call), call.getPeer());
        if (found === undefined) reply({ code: status.NOT_FOUND, details: "unknown service" });
        else reply(null, { status: found });
      },
      List(call: ServerUnaryCall<Message, Message>, reply: sendUnaryData<Message>) {
        const peer = call.getPeer();
        const statuses = source
          .services(peer)
          .map((name) => [name, { status: source.status(name, peer) ?? "UNKNOWN" }] as const);
        reply(null, { statuses: Object.fromEntries(statuses) });
      },
      Watch(call: Watch) {
        if (ended) return endWatch(call);
        watches.add(call);
        const stop = follow(call, source);
        call.once("close", () => {
          stop();
          watches.delete(call);
        });
      },
    },
    end() {
      ended = true;
      for (const call of watches) endWatch(call);
    },
  };
}

/** Sends the state now and at each change; one message on its way at most, a slow reader skips states. */
function follow(call: Watch, source: HealthSource): () => void {
  const peer = call.getPeer();
  let sent: string | undefined;
  let sending = false;
  const send = () => {
    const current = source.status(serviceOf(call), peer) ?? "SERVICE_UNKNOWN";
    if (sending || current === sent || call.writableEnded || call.destroyed) return;
    sending = true;
    sent = current;
    call.write({ status: current }, () => {
      sending = false;
      send();
    });
  };
  const stop = source.onChange(send);
  send();
  return stop;
}

function endWatch(call: Watch): void {
  call.emit("error", { code: status.UNAVAILABLE, details: "the broker is shutting down" });
}

function serviceOf(call: { readonly request: Message }): string {
  return String(call.request.service);
}
