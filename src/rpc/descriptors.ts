import protobuf from "protobufjs";
import { decode } from "./schema.ts";

/** One file of a descriptor set: its bytes as they are, and what it declares. */
export interface DescriptorFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly dependencies: readonly string[];
  /** Full names of everything declared outside services. */
  readonly symbols: readonly string[];
  readonly services: readonly { readonly name: string; readonly methods: readonly string[] }[];
}

/** The few fields of google/protobuf/descriptor.proto that are looked at. */
const DESCRIPTORS = protobuf.parse(`
  syntax = "proto3";
  message Set { repeated bytes file = 1; }
  message File {
    string name = 1; string package = 2; repeated string dependency = 3;
    repeated Struct struct = 4; repeated Choice choice = 5; repeated Service service = 6;
  }
  message Struct {
    string name = 1; repeated Named field = 2; repeated Struct struct = 3; repeated Choice choice = 4;
    repeated Named oneof = 8;
  }
  message Choice { string name = 1; repeated Named value = 2; }
  message Service { string name = 1; repeated Named method = 2; }
  message Named { string name = 1; }
`).root;

interface Named {
  readonly name: string;
}
interface Choice extends Named {
  readonly value: readonly Named[];
}
interface Struct extends Named {
  readonly field: readonly Named[];
  readonly struct: readonly Struct[];
  readonly choice: readonly Choice[];
  readonly oneof: readonly Named[];
}
interface File extends Named {
  readonly package: string;
  readonly dependency: readonly string[];
  readonly struct: readonly Struct[];
  readonly choice: readonly Choice[];
  readonly service: readonly (Named & { readonly method: readonly Named[] })[];
}

/** Reads a serialised `google.protobuf.FileDescriptorSet`. */
export function readDescriptorSet(bytes: Uint8Array): readonly DescriptorFile[] {
  const files = decode(DESCRIPTORS.lookupType("Set"), bytes).file as readonly Uint8Array[];
  return files.map(readFile);
}

function readFile(bytes: Uint8Array): DescriptorFile {
  const file = decode(DESCRIPTORS.lookupType("File"), bytes) as unknown as File;
  return {
    name: file.name,
    bytes,
    dependencies: file.dependency,
    symbols: [
      ...file.struct.flatMap((struct) => symbolsOfStruct(file.package, struct)),
      ...file.choice.flatMap((choice) => symbolsOfChoice(file.package, choice)),
    ],
    services: file.service.map(({ name, method }) => ({
      name: `${file.package}.${name}`,
      methods: method.map((one) => `${file.package}.${name}.${one.name}`),
    })),
  };
}

function symbolsOfStruct(scope: string, struct: Struct): readonly string[] {
  const self = `${scope}.${struct.name}`;
  return [
    self,
    ...[...struct.field, ...struct.oneof].map(({ name }) => `${self}.${name}`),
    ...struct.struct.flatMap((inner) => symbolsOfStruct(self, inner)),
    ...struct.choice.flatMap((inner) => symbolsOfChoice(self, inner)),
  ];
}

/** Values of an enum are its siblings, not its children. */
function symbolsOfChoice(scope: string, choice: Choice): readonly string[] {
  return [choice.name, ...choice.value.map(({ name }) => name)].map((name) => `${scope}.${name}`);
}
