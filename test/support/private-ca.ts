import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A certificate authority of one's own, and a certificate of it for one host. All are PEM files. */
export interface PrivateCa {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  remove(): void;
}

export function privateCa(host: string): PrivateCa {
  const directory = mkdtempSync(join(tmpdir(), "ca-"));
  const file = (name: string) => join(directory, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "ignore" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl(
    ...["req", "-x509", ...key, "-days", "2", "-subj", "/CN=FAKE CA"],
    ...["-keyout", file("ca.key"), "-out", file("ca.pem")],
  );
  openssl("req", ...key, "-subj", `/CN=${host}`, "-keyout", file("host.key"), "-out", file("host.csr"));
  writeFileSync(file("names"), `subjectAltName=DNS:${host}\n`);
  openssl(
    ...[
      "x509",
      "-req",
      "-days",
      "2",
      "-in",
      file("host.csr"),
      "-CA",
      file("ca.pem"),
      "-CAkey",
      file("ca.key"),
    ],
    ...["-CAcreateserial", "-extfile", file("names"), "-out", file("host.pem")],
  );
  return {
    caFile: file("ca.pem"),
    certFile: file("host.pem"),
    keyFile: file("host.key"),
    remove: () => rmSync(directory, { recursive: true }),
  };
}
