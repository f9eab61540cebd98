// Runs in Windows. `access PIPE` prints whose a pipe is and who may do what, as Windows writes it; `squat PIPE` takes
// the name, in another user's name, and prints what it is sent; `client PIPE` is a program of the client library that
// acquires at once and whenever one of FILE… appears.
import { createHash } from "node:crypto";
import { existsSync, watch } from "node:fs";
import { createRequire } from "node:module";
import { createServer, connect as dial } from "node:net";
import { dirname } from "node:path";
import { connect } from "../../dist/client/index.js";

const koffi = createRequire(import.meta.url)("koffi");
const [kernel, advapi] = [koffi.load("kernel32.dll"), koffi.load("advapi32.dll")];
const open = kernel.func(
  "intptr_t __stdcall CreateFileW(str16 path, uint32_t access, uint32_t share, void *security, uint32_t how, uint32_t flags, intptr_t template)",
);
const close = kernel.func("int __stdcall CloseHandle(intptr_t handle)");
const toDescriptor = advapi.func(
  "int __stdcall ConvertStringSecurityDescriptorToSecurityDescriptorW(str16 text, uint32_t revision, _Out_ void **descriptor, void *size)",
);
const toText = advapi.func(
  "int __stdcall ConvertSecurityDescriptorToStringSecurityDescriptorW(void *descriptor, uint32_t revision, uint32_t which, _Out_ void **text, _Out_ uint32_t *length)",
);
const getSecurity = advapi.func(
  "int __stdcall GetKernelObjectSecurity(intptr_t handle, uint32_t which, void *descriptor, uint32_t length, _Out_ uint32_t *needed)",
);
const setSecurity = advapi.func(
  "int __stdcall SetKernelObjectSecurity(intptr_t handle, uint32_t which, void *descriptor)",
);
const [READ_CONTROL, WRITE_OWNER, OWNER, DACL] = [0x20000, 0x80000, 1, 4];

function handleOf(path, access) {
  const handle = open(path, access, 0, null, 3, 0, 0);
  if (handle === -1) throw new Error(`${path} cannot be opened`);
  return handle;
}

function access(path) {
  const handle = handleOf(path, READ_CONTROL);
  const descriptor = Buffer.alloc(4_096);
  const text = [null];
  if (getSecurity(handle, DACL, descriptor, descriptor.length, [0]) === 0) throw new Error("not told");
  if (toText(descriptor, 1, DACL, text, [0]) === 0) throw new Error("not written");
  close(handle);
  return koffi.decode(text[0], "char16_t", -1);
}

const [what, name, ...rest] = process.argv.slice(2);
const path = `\\\\.\\pipe\\${name}`;
if (what === "access") {
  // Two instances, one after the other, while a third is held.
  const held = dial(path);
  await new Promise((resolve) => held.once("connect", resolve));
  console.log(JSON.stringify([access(path), access(path)]));
  held.destroy();
} else if (what === "squat") {
  const server = createServer((socket) => {
    socket.on("data", (data) => console.log(`got ${data.length} bytes`));
    socket.on("error", () => {});
  });
  server.listen(path, () => {
    const descriptor = [null];
    toDescriptor("O:S-1-5-21-1-2-3-1001", 1, descriptor, null);
    const handle = handleOf(path, READ_CONTROL | WRITE_OWNER);
    if (setSecurity(handle, OWNER, descriptor[0]) === 0) throw new Error("not given away");
    close(handle);
    console.log("squatting");
  });
} else {
  const broker = await connect({ address: `npipe:${name}` });
  for (const file of ["", ...rest]) {
    if (file !== "") await appears(file);
    const answer = broker.acquire({ provider: "openai-codex" }, { timeoutMs: 4_000 });
    console.log(JSON.stringify(await answer.then(shown, ({ code, reason }) => ({ code, reason }))));
  }
  await broker.close();
}

/** Which token it is, and not the token. */
function shown({ credential }) {
  return { sha256: createHash("sha256").update(credential.oauth.accessToken).digest("hex") };
}

async function appears(file) {
  const watcher = watch(dirname(file));
  while (!existsSync(file)) await new Promise((resolve) => watcher.once("change", resolve));
  watcher.close();
}
