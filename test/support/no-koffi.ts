import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ownDirectory } from "./endpoint-fixture.ts";

/** Options of Node under which a program finds no koffi, as where it is not installed. */
export function withoutKoffi(): readonly string[] {
  const path = join(ownDirectory(), "no-koffi.cjs");
  writeFileSync(
    path,
    `const { Module } = require("module"); const resolve = Module._resolveFilename;
     Module._resolveFilename = function (name, ...rest) {
       if (name === "koffi") throw new Error("there is no koffi"); return resolve.call(this, name, ...rest); };`,
  );
  return ["--require", path];
}
