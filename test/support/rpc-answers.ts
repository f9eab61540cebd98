import { type ServiceError, status } from "@grpc/grpc-js";
import { type Message, SERVICES, type Service, serviceDefinition } from "../../src/rpc/schema.ts";

type Refusal = Pick<ServiceError, "code" | "details">;

/** A service of ours whose unary calls all get the same answer, or the same refusal. */
export function answering(service: keyof typeof SERVICES, answer: Message | Refusal): Service {
  const definition = serviceDefinition(SERVICES[service]);
  const handle = (_call: unknown, callback: (error: Refusal | null, message?: Message) => void) =>
    "code" in answer ? callback(answer as Refusal) : callback(null, answer);
  return {
    definition,
    implementation: Object.fromEntries(Object.keys(definition).map((name) => [name, handle])),
  };
}

/** A refusal without any details, as something that is no broker gives it. */
export function bareRefusal(code: keyof typeof status, details: string): Refusal {
  return { code: status[code], details };
}
