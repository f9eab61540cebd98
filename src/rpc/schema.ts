import {
  makeClientConstructor,
  type ServiceClientConstructor,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import protobuf, { type Field, type Method, type Type } from "protobufjs";
import { packageFile } from "../package.ts";

/**
 * A message as handlers and clients see it: a plain object with camelCase keys. Decoding fills in
 * every field that has no presence (lists and maps too), leaves unset `optional` and `oneof` fields
 * away, gives `null` for other unset messages, and adds a key for each oneof with the name of the
 * member that is set. Enums are names; a value that this schema does not know stays a number.
 */
export type Message = Record<string, unknown>;

/** Services by what they are for, with their full names. */
export const SERVICES = {
  credential: "authbroker.v1.CredentialService",
  status: "authbroker.v1.StatusService",
  profile: "authbroker.v1.ProfileService",
  login: "authbroker.v1.LoginService",
  store: "authbroker.v1.StoreService",
  health: "grpc.health.v1.Health",
  reflection: "grpc.reflection.v1.ServerReflection",
  reflectionAlpha: "grpc.reflection.v1alpha.ServerReflection",
} as const;
export type ServiceName = (typeof SERVICES)[keyof typeof SERVICES];

/** A service ready for `server.addService`. */
export interface Service {
  readonly definition: ServiceDefinition<UntypedServiceImplementation>;
  readonly implementation: UntypedServiceImplementation;
}

/** What most calls need comes first. */
const FILES = [
  "authbroker/v1/credential.proto",
  "authbroker/v1/status.proto",
  "google/rpc/status.proto",
  "google/rpc/error_details.proto",
  "authbroker/v1/profile.proto",
  "authbroker/v1/login.proto",
  "authbroker/v1/store.proto",
  "grpc/health/v1/health.proto",
  "grpc/reflection/v1/reflection.proto",
  "grpc/reflection/v1alpha/reflection.proto",
];

const DECODING = { longs: Number, enums: String, defaults: true, arrays: true, objects: true, oneofs: true };

const root = new protobuf.Root();
root.resolvePath = (_origin, target) => packageFile(`proto/${target}`);
let filesRead = 0;

/**
 * Looks a name up and reads `.proto` texts until it is found: every command waits for this, and all of them
 * take 15 ms. The same through @grpc/proto-loader takes 63 ms with its import, and its way over a descriptor
 * set, no faster, turns maps into lists and leaves names in snake_case (proto-loader 0.8.1, protobufjs 7.6.6,
 * measured).
 */
function found<T>(name: string, kind: new (...about: never[]) => T): T {
  for (;;) {
    const object = root.lookup(name);
    if (object instanceof kind) return object;
    const next = FILES[filesRead];
    if (next === undefined) throw new TypeError(`no such ${kind.name.toLowerCase()}: ${name}`);
    filesRead += 1;
    root.loadSync(next).resolveAll();
  }
}

/** The type of a message by its full name, such as `authbroker.v1.Unavailable`. Throws if there is none. */
export function messageType(name: string): Type {
  return found(name, protobuf.Type);
}

/** The name of a field in the `.proto`. */
export function protoName(field: { readonly name: string }): string {
  return field.name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/**
 * Bytes of a message. Throws on a field or an enum name that the schema does not have; protobufjs
 * would leave out the one and send the other as 0, both without a word.
 */
export function encode(type: Type, message: Message): Buffer {
  refuseUnknown(type, message);
  const bytes = type.encode(type.fromObject(message)).finish();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The message in some bytes. Throws on bytes that are no such message. */
export function decode(type: Type, bytes: Uint8Array): Message {
  return type.toObject(type.decode(bytes), DECODING);
}

function refuseUnknown(type: Type, message: Message): void {
  for (const [key, value] of Object.entries(message)) {
    const field = own(type.fields, key);
    if (field === undefined) {
      if (own(type.oneofs, key) === undefined) throw new TypeError(`${type.fullName} has no field "${key}"`);
      continue;
    }
    if (value === null || value === undefined || field.resolvedType === null) continue;
    for (const item of itemsOf(field, value)) refuseUnknownValue(field, item);
  }
}

function itemsOf(field: Field, value: unknown): readonly unknown[] {
  if (field.map) return Object.values(value as Message);
  return field.repeated ? (value as readonly unknown[]) : [value];
}

function refuseUnknownValue(field: Field, value: unknown): void {
  const type = field.resolvedType;
  if (type instanceof protobuf.Type) refuseUnknown(type, value as Message);
  else if (typeof value === "string" && own(type?.values, value) === undefined) {
    throw new TypeError(`${field.fullName} has no value of that name`);
  }
}

/** A member of a table by a key that a peer may have chosen. */
function own<T>(table: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return table !== undefined && Object.hasOwn(table, key) ? table[key] : undefined;
}

/** What grpc-js needs to serve or call a service. */
export function serviceDefinition(name: ServiceName): ServiceDefinition<UntypedServiceImplementation> {
  const methods = found(name, protobuf.Service).methodsArray;
  return Object.fromEntries(methods.map((method) => [method.name, methodDefinition(name, method)]));
}

function methodDefinition(service: ServiceName, method: Method) {
  const { resolvedRequestType: request, resolvedResponseType: response } = method;
  if (request === null || response === null) throw new TypeError(`${method.fullName} has no types`);
  return {
    path: `/${service}/${method.name}`,
    originalName: method.name.charAt(0).toLowerCase() + method.name.slice(1),
    requestStream: method.requestStream === true,
    responseStream: method.responseStream === true,
    requestSerialize: (message: Message) => encode(request, message),
    requestDeserialize: (bytes: Buffer) => decode(request, bytes),
    responseSerialize: (message: Message) => encode(response, message),
    responseDeserialize: (bytes: Buffer) => decode(response, bytes),
  };
}

/** The constructor of clients of a service. Methods by their names in both spellings: `acquireCredential` too. */
export function clientConstructor(name: ServiceName): ServiceClientConstructor {
  return makeClientConstructor(serviceDefinition(name), name);
}
