// A bare grpc-js server that sends one prepared answer, and tells all watchers at each report: the floor for
// AcquireCredential and WatchCredential.
import { json } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const [socket] = process.argv.slice(2);
const includeDirs = [fileURLToPath(new URL("../proto", import.meta.url))];
const loaded = loadSync("authbroker/v1/credential.proto", { includeDirs, enums: String, longs: Number });
// By its input: anybody can read a process list.
const prepared = await json(process.stdin);
const watches = new Set();
const server = new Server();
server.addService(loaded["authbroker.v1.CredentialService"], {
  AcquireCredential: (_call, reply) => reply(null, prepared),
  WatchCredential: (call) => {
    watches.add(call);
    call.on("cancelled", () => watches.delete(call));
    call.write({ granted: prepared });
  },
  ReportOutcome: (_call, reply) => {
    for (const call of watches) call.write({ granted: prepared });
    reply(null, {});
  },
  ReleaseLease: (_call, reply) => reply(null, {}),
});
server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
  console.log("ready");
});
