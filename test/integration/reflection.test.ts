import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import "../../scripts/descriptors.mjs";
import type { Failure } from "../../src/domain/failure.ts";
import { reflectionServices } from "../../src/rpc/reflection.ts";
import {
  clientConstructor,
  type Message,
  SERVICES,
  type Service,
  serviceDefinition,
} from "../../src/rpc/schema.ts";
import { statusOf } from "../../src/rpc/status.ts";
import { grpcurl, runProgram, skipWithoutGrpcurl } from "../support/grpcurl.ts";
import { connectTo, serveOnSocket } from "../support/rpc-server.ts";

const NOW = 1_893_456_000_000;
const AGENT = [
  SERVICES.credential,
  SERVICES.status,
  SERVICES.health,
  SERVICES.reflection,
  SERVICES.reflectionAlpha,
];
const ADMIN = [...AGENT, SERVICES.profile];
const BUF = fileURLToPath(new URL("../../node_modules/.bin/buf", import.meta.url));

const cooling: Failure = {
  kind: "unavailable",
  unavailability: {
    reason: "ALL_COOLING_DOWN",
    message: "every profile of openai-codex is cooling down",
    retryAtMs: NOW + 60_000,
    profiles: [{ profile: "openai-codex:work", reason: "COOLING_DOWN", untilMs: NOW + 60_000 }],
  },
};

/** A credential service that refuses every acquire and reads back every other request. */
const credentials: Service = {
  definition: serviceDefinition(SERVICES.credential),
  implementation: {
    AcquireCredential: (_call: unknown, reply: (error: object) => void) => reply(statusOf(cooling, NOW)),
    ReleaseLease: (_call: unknown, reply: (error: null, answer: Message) => void) => reply(null, {}),
    ReportOutcome: (call: { request: Message }, reply: (error: null, answer: Message) => void) =>
      reply(null, { outcome: call.request.outcome, advice: { delay: { seconds: 1, nanos: 500_000_000 } } }),
    WatchCredential: (call: { end: () => void }) => call.end(),
  },
};

const serve = (shown: readonly string[]) => serveOnSocket([credentials, ...reflectionServices(shown)]);

describe.skipIf(skipWithoutGrpcurl)("grpcurl, knowing nothing but the socket", () => {
  test("lists the services of the endpoint and no others", async () => {
    await using agent = await serve(AGENT);
    await using admin = await serve(ADMIN);
    const listed = async ({ socket }: { socket: string }) =>
      (await grpcurl(socket, ["list"])).stdout.trim().split("\n");
    expect(await listed(agent)).toEqual(AGENT.toSorted());
    expect(await listed(admin)).toEqual(ADMIN.toSorted());
  });

  test("describes services, calls, messages with maps and imports, enums and nested types", async () => {
    await using agent = await serve(AGENT);
    const described = async (symbol: string) => {
      const { code, stdout, stderr } = await grpcurl(agent.socket, ["describe", symbol]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      return stdout;
    };
    expect(await described("authbroker.v1.CredentialService")).toContain("rpc WatchCredential");
    expect(await described("authbroker.v1.CredentialService.ReportOutcome")).toContain(
      "ReportOutcomeRequest",
    );
    expect(await described("authbroker.v1.Credential")).toContain("map<string, string> headers = 4");
    expect(await described("authbroker.v1.UpdateProfileRequest")).toContain("optional bool enabled = 3");
    expect(await described("authbroker.v1.Outcome")).toContain("OUTCOME_USAGE_LIMIT = 3");
    expect(await described("google.rpc.BadRequest.FieldViolation")).toContain("string description = 2");
    expect(await described("google.protobuf.Timestamp")).toContain("int64 seconds = 1");
  });

  test("finds a service of the other endpoint there only", async () => {
    await using agent = await serve(AGENT);
    await using admin = await serve(ADMIN);
    const describe = ["describe", SERVICES.profile];
    expect(await grpcurl(agent.socket, describe)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/not found/i),
    });
    expect((await grpcurl(agent.socket, ["describe", `${SERVICES.profile}.PutProfile`])).code).toBe(1);
    expect(await grpcurl(admin.socket, describe)).toMatchObject({
      stdout: expect.stringContaining("rpc PutProfile"),
    });
  });

  test("decodes the details of an error", async () => {
    await using agent = await serve(AGENT);
    const { code, stderr } = await grpcurl(
      agent.socket,
      [`${SERVICES.credential}/AcquireCredential`],
      ["-d", '{"provider":"openai-codex","kinds":["PROFILE_KIND_OAUTH"],"minValidFor":"600s"}'],
    );
    expect(code).toBe(64 + 8);
    expect(stderr).toContain("Code: ResourceExhausted");
    const details = [...stderr.matchAll(/^\s+\d+\)\t(\{[\s\S]*?^ +\t\})/gm)].map(([, text]) =>
      JSON.parse(text ?? ""),
    );
    expect(details).toEqual([
      {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        domain: "auth-broker",
        reason: "ALL_COOLING_DOWN",
      },
      { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "60s" },
      {
        "@type": "type.googleapis.com/authbroker.v1.Unavailable",
        reason: "ALL_COOLING_DOWN",
        message: "every profile of openai-codex is cooling down",
        retryTime: "2030-01-01T00:01:00Z",
        profiles: [
          { profile: "openai-codex:work", reason: "COOLING_DOWN", untilTime: "2030-01-01T00:01:00Z" },
        ],
      },
    ]);
  });
});

test("buf curl calls over the socket and reads the answer", async () => {
  await using agent = await serve(AGENT);
  const args = ["curl", "--protocol", "grpc", "--http2-prior-knowledge", "--unix-socket", agent.socket];
  const { stdout, stderr } = await runProgram(BUF, [
    ...args,
    "--data",
    '{"leaseId":"l","outcome":"OUTCOME_BILLING"}',
    `http://localhost/${SERVICES.credential}/ReportOutcome`,
  ]);
  expect(stderr).toBe("");
  expect(JSON.parse(stdout)).toEqual({ outcome: "OUTCOME_BILLING", advice: { delay: "1.500s" } });
});

describe.each([SERVICES.reflection, SERVICES.reflectionAlpha])("%s", (service) => {
  async function ask(shown: readonly string[], ...requests: readonly Message[]): Promise<Message[]> {
    await using server = await serve(shown);
    await using connection = connectTo(clientConstructor(service), server.socket);
    const call = connection.duplex("ServerReflectionInfo");
    for (const request of requests) call.write(request);
    call.end();
    const answers: Message[] = [];
    for await (const answer of call) answers.push(answer);
    return answers;
  }

  test("answers in order, echoes the request, and gives a file with all that it imports", async () => {
    const answers = await ask(
      AGENT,
      { host: "h", fileByFilename: "authbroker/v1/status.proto" },
      { fileContainingSymbol: ".authbroker.v1.OUTCOME_OK" },
      { fileContainingSymbol: "authbroker.v1.OAuthCredential.access_token" },
      { listServices: "" },
    );
    expect(answers[0]).toMatchObject({
      validHost: "h",
      originalRequest: { fileByFilename: "authbroker/v1/status.proto" },
    });
    expect(answers.map((answer) => answer.messageResponse)).toEqual([
      "fileDescriptorResponse",
      "fileDescriptorResponse",
      "fileDescriptorResponse",
      "listServicesResponse",
    ]);
    expect(answers[0]).toHaveProperty("fileDescriptorResponse.fileDescriptorProto.length", 4);
    expect(answers[1]).toHaveProperty("fileDescriptorResponse.fileDescriptorProto.length", 2);
  });

  test.each([
    [{ fileByFilename: "nope.proto" }, 5],
    [{ fileContainingSymbol: "authbroker.v1.Nope" }, 5],
    [{ fileContainingSymbol: "constructor" }, 5],
    [{ fileContainingExtension: { containingType: "authbroker.v1.Profile", extensionNumber: 1 } }, 5],
    [{ allExtensionNumbersOfType: "authbroker.v1.Profile" }, 5],
    [{}, 3],
  ])("%o is an error of this one answer, not the end of the stream", async (request, errorCode) => {
    const answers = await ask(AGENT, request, { listServices: "" });
    expect(answers[0]).toMatchObject({ errorResponse: { errorCode } });
    expect(answers[1]).toHaveProperty("listServicesResponse");
  });
});
