import { describe, expect, test } from "vitest";
import {
  type Address,
  addressText,
  checkAddress,
  grpcTarget,
  parseAddress,
  socketPath,
} from "../../src/endpoint/address.ts";
import { EndpointError } from "../../src/endpoint/error.ts";

const unix = (path: string): Address => ({ kind: "unix", path });
const pipe = (name: string): Address => ({ kind: "pipe", name });

function refusal(action: () => unknown): EndpointError {
  try {
    action();
  } catch (error) {
    if (error instanceof EndpointError) return error;
    throw error;
  }
  throw new Error("was not refused");
}

describe("an address is read from", () => {
  test.each([
    ["/run/a.sock", unix("/run/a.sock")],
    ["unix:///run/a.sock", unix("/run/a.sock")],
    ["unix:/run/a.sock", unix("/run/a.sock")],
    ["//run///a.sock", unix("/run/a.sock")],
    ["unix:////run/a.sock", unix("/run/a.sock")],
    ["/run/with space/ä.sock", unix("/run/with space/ä.sock")],
    ["npipe:auth-broker-me-agent", pipe("auth-broker-me-agent")],
    ["npipe:////./pipe/x", pipe("x")],
    ["\\\\.\\pipe\\x", pipe("x")],
  ])("%s", (text, expected) => {
    expect(parseAddress(text, "linux")).toEqual(expected);
  });
});

describe("an address is refused, with the reason and exit 78:", () => {
  test.each([
    ["", "empty"],
    ["unix:", "empty"],
    ["run/a.sock", "not absolute"],
    ["./a.sock", "not absolute"],
    ["unix:run/a.sock", "not absolute"],
    ["unix://run/a.sock", "three slashes"],
    ["tcp://127.0.0.1:1", "not absolute"],
    ["@name", "abstract"],
    ["unix:@name", "abstract"],
    ["unix-abstract:name", "abstract"],
    ["\0name", "abstract"],
    ["/run/a\0b", "control characters"],
    ["/run/a\nb", "control characters"],
    ["/run/dir/", "directory"],
    ["/", "directory"],
    ["npipe:", "plain name"],
    ["npipe:a\\b", "plain name"],
    ["\\\\.\\pipe\\", "plain name"],
  ])("%j", (text, reason) => {
    const error = refusal(() => parseAddress(text, "linux"));
    expect(error.message).toContain(reason);
    expect(error.exit).toBe(78);
  });
});

describe("the length of a socket path", () => {
  const ofLength = (bytes: number) => `/${"p".repeat(bytes - 1)}`;

  test.each([
    ["linux", 107],
    ["darwin", 103],
  ] as const)("on %s may be %i bytes and not one more", (platform, limit) => {
    expect(parseAddress(ofLength(limit), platform)).toEqual(unix(ofLength(limit)));
    const { message } = refusal(() => parseAddress(ofLength(limit + 1), platform));
    expect(message).toContain(`${limit + 1} bytes`);
    expect(message).toContain(String(limit));
  });

  test("counts bytes, not letters", () => {
    expect(refusal(() => parseAddress(`/${"ä".repeat(54)}`, "linux")).message).toContain("109 bytes");
  });

  test("is checked for addresses that nobody parsed", () => {
    expect(refusal(() => grpcTarget(unix(ofLength(130)), "linux")).message).toContain("130 bytes");
    expect(refusal(() => checkAddress(unix(ofLength(130)), "linux")).message).toContain("107");
  });
});

describe("an address of the other system is refused:", () => {
  test("a pipe on Linux", () => {
    expect(refusal(() => checkAddress(pipe("x"), "linux")).message).toContain("Windows only");
  });

  test("a socket file on Windows", () => {
    expect(refusal(() => checkAddress(unix("/a"), "win32")).message).toContain("npipe:name");
  });
});

test("grpc-js, net and people each get their own spelling", () => {
  expect(grpcTarget(unix("/run/a.sock"), "linux")).toBe("unix:/run/a.sock");
  expect(grpcTarget(pipe("x"), "win32")).toBe("unix:\\\\.\\pipe\\x");
  expect(socketPath(pipe("x"))).toBe("\\\\.\\pipe\\x");
  expect(socketPath(unix("/run/a.sock"))).toBe("/run/a.sock");
  expect(addressText(pipe("x"))).toBe("npipe:x");
  expect(addressText(unix("/run/a.sock"))).toBe("/run/a.sock");
});

test("what is shown can be read again", () => {
  for (const address of [unix("/run/a.sock"), pipe("x")]) {
    expect(parseAddress(addressText(address), "linux")).toEqual(address);
  }
});
