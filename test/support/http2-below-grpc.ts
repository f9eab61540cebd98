import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type OutgoingHttpHeaders,
  type Settings,
} from "node:http2";
import { connect as connectSocket } from "node:net";
import { onTestFinished } from "vitest";

/** An HTTP/2 connection for requests that no gRPC client would make. */
export function http2BelowGrpc(
  path: string,
  settings: Settings = {},
): {
  readonly session: ClientHttp2Session;
  /** Begins a call and leaves its request open. */
  begin(method: string, headers?: OutgoingHttpHeaders): ClientHttp2Stream;
} {
  const session = connect("http://localhost", { createConnection: () => connectSocket(path), settings });
  session.on("error", () => {});
  onTestFinished(() => session.destroy());
  return {
    session,
    begin(method, headers = {}) {
      const stream = session.request(
        {
          ":method": "POST",
          ":path": `/test.Echo/${method}`,
          "content-type": "application/grpc",
          ...headers,
        },
        { endStream: false },
      );
      stream.on("error", () => {});
      return stream;
    },
  };
}
