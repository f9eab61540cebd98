import { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { connectionOf, identify, peerText } from "../../src/endpoint/peer.ts";

describe("the connection behind a call", () => {
  test.each([
    { endpoint: "agent", number: 12, uid: 1000 },
    { endpoint: "admin", number: 1, uid: 0 },
    { endpoint: "my-ci.2_x", number: 7 },
  ])("survives the way through getPeer(): $endpoint", (connection) => {
    expect(connectionOf(peerText(connection))).toEqual(connection);
  });

  test.each(["unknown", "", "127.0.0.1:4711", "[::1]:4711", "agent#", "#1", "agent#1/", "agent#1/x"])(
    "is none for %j",
    (peer) => {
      expect(connectionOf(peer)).toBeUndefined();
    },
  );
});

describe("without peer credentials", () => {
  test("a private socket proves our own user", () => {
    expect(identify(new Socket(), "private")).toEqual({ uid: process.geteuid?.() });
  });

  test("a shared socket proves nothing", () => {
    expect(identify(new Socket(), "shared")).toEqual({});
  });
});
