// Makes one call over a connection that it was given as a descriptor, or makes by itself: at each SIGUSR2 it asks
// for a credential and prints the status and reason. node descriptor-call.mjs PROVIDER FD|PATH
import { once } from "node:events";
import { connect as http2 } from "node:http2";
import { connect, Socket } from "node:net";
import { decode, encode, messageType } from "../../dist/rpc/schema.js";

const [provider, where] = process.argv.slice(2);
const socket = /^\d+$/.test(where) ? new Socket({ fd: Number(where) }) : connect(where);
const session = http2("http://localhost", { createConnection: () => socket });
session.on("error", (error) => say({ error: error.code }));

const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

function reasonOf(trailers) {
  const packed = trailers["grpc-status-details-bin"];
  if (packed === undefined) return "";
  const { details } = decode(messageType("google.rpc.Status"), Buffer.from(String(packed), "base64"));
  return decode(messageType("google.rpc.ErrorInfo"), details[0].value).reason;
}

async function call() {
  const body = Buffer.from(encode(messageType("authbroker.v1.AcquireCredentialRequest"), { provider }));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  const request = session.request({
    ":method": "POST",
    ":path": "/authbroker.v1.CredentialService/AcquireCredential",
    "content-type": "application/grpc",
    te: "trailers",
  });
  let trailers = {};
  request.on("response", (headers) => {
    if (headers["grpc-status"] !== undefined) trailers = headers;
  });
  request.on("trailers", (given) => {
    trailers = given;
  });
  request.on("data", () => {});
  request.on("error", () => {});
  request.end(Buffer.concat([head, body]));
  await once(request, "close");
  say({ status: Number(trailers["grpc-status"] ?? -1), reason: reasonOf(trailers) });
}

process.on("SIGUSR2", () => void call());
say({ pid: process.pid });
