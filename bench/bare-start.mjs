// The floor for the start of a broker: imports the same packages, reads the same files, listens.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import "commander";
import "jsonc-parser";
import "lowdb";
import "pino";
import "protobufjs";
import "zod";

const [home] = process.argv.slice(2);
const protos = [
  "authbroker/v1/credential.proto",
  "authbroker/v1/login.proto",
  "authbroker/v1/profile.proto",
  "authbroker/v1/status.proto",
  "authbroker/v1/store.proto",
  "grpc/health/v1/health.proto",
  "grpc/reflection/v1/reflection.proto",
  "grpc/reflection/v1alpha/reflection.proto",
];
const includeDirs = [fileURLToPath(new URL("../proto", import.meta.url))];
const loaded = loadSync(protos, { includeDirs, enums: String, longs: Number, defaults: true });
const profiles = join(home, "state", "profiles");
const records = readdirSync(profiles).map((name) => JSON.parse(readFileSync(join(profiles, name), "utf8")));
const server = new Server();
server.addService(loaded["grpc.health.v1.Health"], {
  Check: (_call, reply) => reply(null, { status: records.length > 0 ? "SERVING" : "NOT_SERVING" }),
});
server.bindAsync(`unix:${join(home, "run", "agent.sock")}`, ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
});
