// What somebody who wishes the broker ill, or has a bug, does to its agent socket. node flood-attacker.mjs KIND PATH
// Prints `ready` when the attack is in place, and goes on until it is killed.
import { constants, connect as http2 } from "node:http2";
import { connect } from "node:net";
import { encode, messageType } from "../../dist/rpc/schema.js";

const [kind, path] = process.argv.slice(2);
const PREFACE = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);
const HEADERS = {
  ":method": "POST",
  ":path": "/authbroker.v1.CredentialService/AcquireCredential",
  "content-type": "application/grpc",
  te: "trailers",
};
const BODY = framed(encode(messageType("authbroker.v1.AcquireCredentialRequest"), { provider: "bench-0" }));

function framed(message) {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** A bare connection; resolves when it is there, or refused. */
function raw(bytes) {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on("error", resolve);
    socket.resume();
    socket.once("connect", () => {
      if (bytes !== undefined) socket.write(bytes);
      resolve(socket);
    });
  });
}

function session() {
  const made = http2("http://localhost", { createConnection: () => connect(path) });
  made.on("error", () => {});
  return made;
}

function request(made, endStream, headers = HEADERS) {
  const stream = made.request(headers, { endStream: false });
  stream.on("error", () => {});
  stream.on("data", () => {});
  if (endStream) stream.end(BODY);
  return stream;
}

/** Keeps `count` of something going, each begun anew when it has ended. */
function keep(count, begin) {
  let failures = 0;
  const one = () => {
    const began = performance.now();
    begin().once("close", () => {
      // Whoever is refused at once comes again a moment later.
      failures = performance.now() - began < 1 ? failures + 1 : 0;
      if (failures > 1_000) setTimeout(one, 1);
      else setImmediate(one);
    });
  };
  for (let i = 0; i < count; i += 1) one();
}

const ATTACKS = {
  async silent() {
    for (let i = 0; i < 500; i += 1) await raw();
  },
  async half() {
    for (let i = 0; i < 200; i += 1) {
      const made = session();
      for (let j = 0; j < 5; j += 1) request(made, false).write(Buffer.from([0, 0, 0, 4, 0, 1, 2, 3]));
      await new Promise((resolve) => made.once("connect", resolve));
    }
  },
  async requests() {
    let made = session();
    keep(200, () => {
      if (made.closed || made.destroyed) made = session();
      return request(made, true);
    });
  },
  async deadlines() {
    let made = session();
    keep(500, () => {
      if (made.closed || made.destroyed) made = session();
      return request(made, true, { ...HEADERS, "grpc-timeout": "1n" });
    });
  },
  async resets() {
    const one = () => {
      const made = session();
      made.once("connect", () => {
        const more = () => {
          if (made.closed || made.destroyed) return;
          for (let i = 0; i < 50; i += 1) request(made, true).close(constants.NGHTTP2_CANCEL);
          setImmediate(more);
        };
        more();
      });
      made.once("close", () => setTimeout(one, 5));
    };
    one();
  },
  async crowd() {
    for (let i = 0; i < 1_000; i += 1) {
      const made = session();
      await new Promise((resolve) => {
        made.once("close", resolve);
        made.once("connect", () => request(made, true).once("close", resolve));
      });
    }
  },
  async reconnects() {
    keep(50, () => {
      const socket = connect(path);
      socket.on("error", () => {});
      socket.once("connect", () => {
        socket.write(PREFACE);
        setImmediate(() => socket.destroy());
      });
      return socket;
    });
  },
};

await ATTACKS[kind]();
process.stdout.write("ready\n");
setInterval(() => {}, 60_000);
