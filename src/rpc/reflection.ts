import { readFileSync } from "node:fs";
import { type ServerDuplexStream, status } from "@grpc/grpc-js";
import { packageFile } from "../package.ts";
import { type DescriptorFile, readDescriptorSet } from "./descriptors.ts";
import { type Message, SERVICES, type Service } from "./schema.ts";
import { serverDefinition } from "./services.ts";

/** Made by the build. */
const DESCRIPTOR_SET = packageFile("dist/authbroker.binpb");

/**
 * Server reflection v1 and v1alpha for an endpoint that serves the `shown` services (full names).
 * Other services cannot be found there; messages and enums all can, so that error details decode.
 * Throws if the descriptor set was not built.
 */
export function reflectionServices(shown: readonly string[]): readonly Service[] {
  const bytes = readFileSync(DESCRIPTOR_SET);
  let known: ((request: Message) => Message) | undefined;
  // Read at the first question: few ask, and a start need not wait for it.
  const answer = (request: Message) => {
    known ??= answerFrom(readDescriptorSet(bytes), shown);
    return known(request);
  };
  const implementation = {
    ServerReflectionInfo: (call: ServerDuplexStream<Message, Message>) => serve(call, answer),
  };
  return [SERVICES.reflection, SERVICES.reflectionAlpha].map((name) => ({
    definition: serverDefinition(name),
    implementation,
  }));
}

/** Answers one by one; a peer that does not read is not read from. */
function serve(call: ServerDuplexStream<Message, Message>, answer: (request: Message) => Message): void {
  call.on("data", (request: Message) => {
    if (call.write({ validHost: request.host, originalRequest: request, ...answer(request) })) return;
    call.pause();
    call.once("drain", () => call.resume());
  });
  call.on("end", () => call.end());
}

function answerFrom(
  files: readonly DescriptorFile[],
  shown: readonly string[],
): (request: Message) => Message {
  const byName = new Map(files.map((file) => [file.name, file]));
  const bySymbol = new Map(files.flatMap((file) => symbolsOf(file, shown).map((symbol) => [symbol, file])));
  const listServicesResponse = { service: shown.toSorted().map((name) => ({ name })) };
  return (request) => {
    switch (request.messageRequest) {
      case "listServices":
        return { listServicesResponse };
      case "fileByFilename":
        return fileAnswer(byName, byName.get(String(request.fileByFilename)));
      case "fileContainingSymbol":
        return fileAnswer(byName, bySymbol.get(String(request.fileContainingSymbol).replace(/^\./, "")));
      case "fileContainingExtension":
      case "allExtensionNumbersOfType":
        return errorAnswer(status.NOT_FOUND, "there are no extensions here");
      default:
        return errorAnswer(status.INVALID_ARGUMENT, "the request asks for nothing known");
    }
  };
}

function symbolsOf(file: DescriptorFile, shown: readonly string[]): readonly string[] {
  const services = file.services.filter(({ name }) => shown.includes(name));
  return [...file.symbols, ...services.flatMap(({ name, methods }) => [name, ...methods])];
}

/** A file with everything that it imports, so that a client need not ask again. */
function fileAnswer(byName: ReadonlyMap<string, DescriptorFile>, file: DescriptorFile | undefined): Message {
  if (file === undefined) return errorAnswer(status.NOT_FOUND, "not found");
  const found = new Set([file]);
  for (const { dependencies } of found) {
    for (const dependency of dependencies) {
      const imported = byName.get(dependency);
      if (imported !== undefined) found.add(imported);
    }
  }
  return { fileDescriptorResponse: { fileDescriptorProto: Array.from(found, ({ bytes }) => bytes) } };
}

function errorAnswer(errorCode: status, errorMessage: string): Message {
  return { errorResponse: { errorCode, errorMessage } };
}
