// Many callers at once on one expired profile: how many requests reach the token endpoint of a real
// authorization server, and how long until the last caller has its answer, against as many bare calls of a
// grpc-js server in the same run. Takes the number of processes and that of all callers; the default is 20
// and 10,000.

import { fork } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startAuthorizationServer } from "../test/support/authorization-server.mjs";
import { bareClient, call, client, show, startBare, startBroker, temporaryHome } from "./world.mjs";

if (process.send !== undefined) await caller();
else await main();

/** One agent process: connects, waits for the word, makes its share of the calls at once. */
async function caller() {
  const [home, count, bareSocket] = process.argv.slice(2);
  const own = client(home, "credential");
  const bare = bareClient(bareSocket);
  await call(client(home, "status"), "GetStatus", {});
  await call(bare, "AcquireCredential", {});
  const word = () => new Promise((resolve) => process.once("message", resolve));
  process.send({ kind: "connected" });
  await word();
  await Promise.all(Array.from({ length: Number(count) }, () => call(bare, "AcquireCredential", {})));
  process.send({ kind: "bare done" });
  await word();
  const requests = Array.from({ length: Number(count) }, () =>
    call(own, "AcquireCredential", { provider: "openai-codex" }).then(
      (answer) => answer.lease.generation,
      (error) => `${error.code} ${error.details}`,
    ),
  );
  process.send({ kind: "done", answers: await Promise.all(requests) });
  process.disconnect();
  process.exit(0);
}

async function main() {
  const [processes = 20, callers = 10_000] = process.argv.slice(2).map(Number);
  const server = await startAuthorizationServer({ rotation: "strict" });
  const home = temporaryHome();
  const { tokenUrl, clientId } = server;
  writeFileSync(
    join(home, "config.json"),
    JSON.stringify({ providers: { "openai-codex": { tokenUrl, clientId } } }),
  );
  await startBroker(home);
  const tokens = await server.login({ sub: "ann", email: "ann@example.test", accountId: "acct-a" });
  const prepared = {
    lease: { leaseId: "x".repeat(300) },
    credential: { oauth: { accessToken: tokens.accessToken } },
  };
  const { socket } = await startBare(home, prepared);
  const children = Array.from({ length: processes }, () =>
    fork(process.argv[1], [home, String(callers / processes), socket], { stdio: "inherit" }),
  );
  await Promise.all(children.map((child) => messageOf(child, "connected")));
  const bareDone = children.map((child) => messageOf(child, "bare done"));
  const bareBegan = performance.now();
  for (const child of children) child.send("go");
  await Promise.all(bareDone);
  const bareMs = performance.now() - bareBegan;
  const admin = client(home, "profile", "admin");
  const { accessToken, refreshToken, idToken } = tokens;
  const before = server.requests.length;
  const expireTime = { seconds: Math.floor(Date.now() / 1000) - 60, nanos: 0 };
  server.hold();
  await call(admin, "PutProfile", {
    profile: "openai-codex:ann",
    oauth: { accessToken, refreshToken, idToken, expireTime },
  });
  const done = children.map((child) => messageOf(child, "done"));
  for (const child of children) child.send("go");
  await server.waitForRequests(before + 1);
  const began = performance.now();
  server.release();
  const answers = (await Promise.all(done)).flatMap((message) => message.answers);
  const lastMs = performance.now() - began;
  const refreshes = server.requests.slice(before).filter((r) => r.grantType === "refresh_token").length;
  const good = answers.filter((generation) => generation === 2).length;
  show("storm", [
    {
      processes,
      callers,
      "new generation": good,
      failed: answers.length - good,
      "token requests": refreshes,
      "ms after the endpoint's answer": Math.round(lastMs),
      "ms of as many bare calls": Math.round(bareMs),
      ratio: Number((lastMs / bareMs).toFixed(2)),
    },
  ]);
  const refusals = new Map();
  for (const text of answers.filter((generation) => generation !== 2))
    refusals.set(text, (refusals.get(text) ?? 0) + 1);
  for (const [text, times] of refusals) console.log(`${times} × ${text}`);
  await server.close();
  process.exit(good === callers && refreshes === 1 ? 0 : 1);
}

function messageOf(child, kind) {
  return new Promise((resolve) => {
    child.on("message", (message) => {
      if (message.kind === kind) resolve(message);
    });
  });
}
