#!/usr/bin/env node
import { keepCompiled } from "./compile-cache.ts";

keepCompiled(process.env);
const { main } = await import("./program.ts");
await main(process.argv.slice(2));
