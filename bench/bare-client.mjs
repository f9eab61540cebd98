// The floor for a program that asks the broker once: the same packages, one call, and out.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { credentials, loadPackageDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const includeDirs = [fileURLToPath(new URL("../proto", import.meta.url))];
const loaded = loadSync("authbroker/v1/credential.proto", { includeDirs, enums: String, longs: Number });
const { CredentialService } = loadPackageDefinition(loaded).authbroker.v1;
const socket = join(process.env.AUTH_BROKER_HOME ?? "", "run", "agent.sock");
const client = new CredentialService(`unix:${socket}`, credentials.createInsecure());
client.AcquireCredential({ provider: "openai-codex" }, (error) => {
  if (error) throw error;
  client.close();
});
