// `auth-broker token`, the whole process, against a bare grpc-js client that makes the same call and
// against `node -e 0`: in turn, in one run; the medians of the rounds' ratios.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { call, client, MAIN, median, show, startBroker, temporaryHome } from "./world.mjs";

const ROUNDS = Number(process.argv[2] ?? 25);
const BARE = fileURLToPath(new URL("./bare-client.mjs", import.meta.url));

const home = temporaryHome();
await startBroker(home);
const admin = client(home, "profile", "admin");
const oauth = { accessToken: "at-FAKE", accountId: "acct-a" };
await call(admin, "PutProfile", { profile: "openai-codex:ann", oauth });
admin.close();

const commands = {
  "node -e 0": ["-e", "0"],
  "bare grpc-js client": [BARE],
  "auth-broker token": [MAIN, "token", "openai-codex"],
  "auth-broker acquire": [MAIN, "acquire", "openai-codex", "--json"],
};
const names = Object.keys(commands);
const times = Object.fromEntries(names.map((name) => [name, []]));
for (let round = -2; round < ROUNDS; round += 1) {
  // In another order each time, so that nobody always comes after the same neighbour.
  for (let i = 0; i < names.length; i += 1) {
    const name = names[(i + ((round + 2) % names.length)) % names.length];
    const ms = await wholeMs(commands[name]);
    if (round >= 0) times[name].push(ms);
  }
}

function wholeMs(args) {
  const began = performance.now();
  const child = spawn(process.execPath, args, {
    env: { ...process.env, AUTH_BROKER_HOME: home },
    stdio: ["ignore", "ignore", "inherit"],
  });
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => {
      if (code === 0) resolve(performance.now() - began);
      else reject(new Error(`${args.join(" ")} ended with ${code}`));
    });
  });
}

const bare = times["bare grpc-js client"];
show(
  "cli",
  names.map((name) => ({
    command: name,
    "median ms": Number(median(times[name]).toFixed(1)),
    "of the bare client": Number(median(times[name].map((ms, i) => ms / bare[i])).toFixed(3)),
  })),
);
process.exit(0);
