import protobuf, { type Enum, type Field, type Type } from "protobufjs";
import { BrokerFailure, type FieldViolation } from "../domain/failure.ts";
import {
  atMsOf,
  durationOf,
  formatDuration,
  formatTimestamp,
  msOf,
  parseDuration,
  parseTimestamp,
  type Seconds,
  timestampOf,
} from "./instants.ts";
import { type Message, messageType, protoName } from "./schema.ts";

/** How the values are spelled for which the two outward forms differ. */
interface Spelling {
  readonly timestamp: (value: Seconds) => unknown;
  readonly duration: (value: Seconds) => unknown;
  readonly bytes: (value: Uint8Array) => unknown;
}

const PROTO3_JSON: Spelling = {
  timestamp: formatTimestamp,
  duration: formatDuration,
  bytes: (value) => Buffer.from(value).toString("base64"),
};

const TWIN: Spelling = {
  timestamp: (value) => new Date(atMsOf(value)),
  duration: msOf,
  bytes: (value) => value,
};

const TIMESTAMP = ".google.protobuf.Timestamp";
const DURATION = ".google.protobuf.Duration";

/**
 * proto3 JSON of a decoded message, every field named: unset messages are `null`. Only `optional`
 * fields and members of a oneof that are unset are left away.
 */
export function toJson(typeName: string, message: Message): Message {
  return outward(messageType(typeName), message, PROTO3_JSON);
}

/** As `toJson` without what is unset, and with a Timestamp as `Date`, a Duration as a number of milliseconds, bytes as they are. */
export function toTwin(typeName: string, message: Message): Message {
  return outward(messageType(typeName), message, TWIN);
}

function outward(type: Type, message: Message, spelling: Spelling): Message {
  const result: Message = {};
  for (const field of type.fieldsArray) {
    const value = message[field.name];
    if (value === undefined || value === null) {
      if (value === null && spelling === PROTO3_JSON) result[field.name] = null;
      continue;
    }
    result[field.name] = field.repeated
      ? (value as readonly unknown[]).map((item) => spell(field, item, spelling))
      : spell(field, value, spelling);
  }
  return result;
}

function spell(field: Field, value: unknown, spelling: Spelling): unknown {
  if (field.map) return { ...(value as Message) };
  if (field.type === "bytes") return spelling.bytes(value as Uint8Array);
  const type = field.resolvedType;
  if (!(type instanceof protobuf.Type)) return value;
  if (type.fullName === TIMESTAMP) return spelling.timestamp(value as Seconds);
  if (type.fullName === DURATION) return spelling.duration(value as Seconds);
  return outward(type, value as Message, spelling);
}

/**
 * The message of a twin or of proto3 JSON. Instants are a `Date` or RFC 3339, durations a number of
 * milliseconds or text such as `60s`, bytes a `Uint8Array` or base64, enum names may lack their
 * prefix; `null` and `undefined` are unset. Throws a `BrokerFailure` `field_invalid` that names every
 * field that is unknown or wrong, never its value.
 */
export function fromTwin(typeName: string, value: unknown): Message {
  const violations: FieldViolation[] = [];
  const message = inwardMessage(messageType(typeName), value, "", (field, description) => {
    violations.push({ field, description });
    return undefined;
  });
  if (violations.length > 0) throw new BrokerFailure({ kind: "field_invalid", violations });
  return message ?? {};
}

type Refuse = (path: string, description: string) => undefined;

function inwardMessage(type: Type, value: unknown, path: string, refuse: Refuse): Message | undefined {
  if (!isObject(value)) return refuse(path, "must be an object");
  const message: Message = {};
  const prefix = path === "" ? "" : `${path}.`;
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined || item === null) continue;
    const field = Object.hasOwn(type.fields, key) ? type.fields[key] : undefined;
    if (field === undefined) refuse(`${prefix}${protoName({ name: key })}`, "unknown field");
    else message[key] = inwardField(field, item, `${prefix}${protoName(field)}`, refuse);
  }
  for (const { oneof } of type.oneofsArray) {
    const given = oneof.filter((name) => message[name] !== undefined);
    if (given.length > 1) refuse(`${prefix}${protoName({ name: given[1] ?? "" })}`, `excludes ${given[0]}`);
  }
  return message;
}

function inwardField(field: Field, value: unknown, path: string, refuse: Refuse): unknown {
  if (field.map) {
    if (!isObject(value)) return refuse(path, "must be an object");
    for (const [key, item] of Object.entries(value))
      inwardScalar(field.type, item, `${path}[${key}]`, refuse);
    return value;
  }
  if (!field.repeated) return inwardValue(field, value, path, refuse);
  if (!Array.isArray(value)) return refuse(path, "must be a list");
  return value.map((item, index) => inwardValue(field, item, `${path}[${index}]`, refuse));
}

function inwardValue(field: Field, value: unknown, path: string, refuse: Refuse): unknown {
  const type = field.resolvedType;
  if (type instanceof protobuf.Enum) {
    return enumName(type, value) ?? refuse(path, `must be one of ${shortNames(type).join(", ")}`);
  }
  if (type === null) return inwardScalar(field.type, value, path, refuse);
  if (type.fullName === TIMESTAMP) {
    return inwardTimestamp(value) ?? refuse(path, "must be a date or RFC 3339, such as 2030-01-31T12:00:00Z");
  }
  if (type.fullName === DURATION) {
    return inwardDuration(value) ?? refuse(path, "must be a number of milliseconds or such as 60s");
  }
  return inwardMessage(type, value, path, refuse);
}

function inwardTimestamp(value: unknown): Seconds | undefined {
  if (typeof value === "string") return parseTimestamp(value);
  if (!(value instanceof Date) || Number.isNaN(value.getTime())) return undefined;
  return timestampOf(value.getTime());
}

function inwardDuration(value: unknown): Seconds | undefined {
  if (typeof value === "string") return parseDuration(value);
  return typeof value === "number" && Number.isFinite(value) ? durationOf(value) : undefined;
}

function inwardScalar(type: string, value: unknown, path: string, refuse: Refuse): unknown {
  switch (type) {
    case "string":
      return typeof value === "string" ? value : refuse(path, "must be a text");
    case "bool":
      return typeof value === "boolean" ? value : refuse(path, "must be true or false");
    case "int32":
      return typeof value === "number" && (value | 0) === value
        ? value
        : refuse(path, "must be a whole number");
    case "double":
      return Number.isFinite(value) ? value : refuse(path, "must be a number");
    case "bytes":
      return inwardBytes(value) ?? refuse(path, "must be bytes or base64");
    default:
      throw new TypeError(`no reading for fields of type ${type}`);
  }
}

function inwardBytes(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  if (typeof value !== "string" || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) return undefined;
  return Buffer.from(value, "base64");
}

/** Enum values without their prefix, the zero value left out. */
function shortNames(type: Enum): readonly string[] {
  const prefix = enumPrefix(type);
  return Object.keys(type.values)
    .filter((name) => type.values[name] !== 0)
    .map((name) => name.slice(prefix.length));
}

function enumName(type: Enum, value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  return [value, `${enumPrefix(type)}${value}`].find((name) => Object.hasOwn(type.values, name));
}

function enumPrefix(type: Enum): string {
  return (type.valuesById[0] ?? "").replace(/UNSPECIFIED$/, "");
}

function isObject(value: unknown): value is Message {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
