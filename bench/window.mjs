// The one window in which a strictly rotating login can be lost: from the moment at which the kernel has
// the token endpoint's answer to the moment at which the new grant is on the disk. Seen from outside, so
// the way of the broker's own answer back to the caller is in the figure: the window is shorter.
import { statfsSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { call, client, quantile, show, startBroker, temporaryHome } from "./world.mjs";

const REFRESHES = Number(process.argv[2] ?? 300);
const PROFILE = "openai-codex:ann";
/** `f_type` of statfs(2). */
const FILE_SYSTEMS = {
  61267: "ext4",
  1481003842: "xfs",
  2435016766: "btrfs",
  16914836: "tmpfs",
  2035054128: "overlay",
};

let n = 0;
let inKernel = 0;
const server = createServer((request, response) => {
  request.resume().on("end", () => {
    n += 1;
    const body = JSON.stringify({
      access_token: `at-FAKE-${n}-${"x".repeat(1_500)}`,
      refresh_token: `rt-FAKE-${n}-${"x".repeat(100)}`,
      token_type: "Bearer",
      expires_in: 36_000,
    });
    response.writeHead(200, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
    });
    // On loopback what has been written has been received.
    response.end(body, () => {
      inKernel = performance.now();
    });
  });
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

const home = temporaryHome();
const tokenUrl = `http://127.0.0.1:${server.address().port}/token`;
const config = { providers: { "openai-codex": { tokenUrl } }, refresh: { minInterval: "0s" } };
writeFileSync(join(home, "config.json"), JSON.stringify(config));
await startBroker(home);
const admin = client(home, "profile", "admin");
await call(admin, "PutProfile", {
  profile: PROFILE,
  oauth: { accessToken: "at-FAKE-0", refreshToken: "rt-FAKE-0", accountId: "acct-a" },
});
const times = [];
for (let i = 0; i <= REFRESHES; i += 1) {
  await call(admin, "RefreshProfile", { profile: PROFILE });
  times.push(performance.now() - inKernel);
}
const [first, ...others] = times;
const ms = (value) => Number(value.toFixed(1));
const { type } = statfsSync(home);
show("window", [
  {
    refreshes: others.length,
    "file system": FILE_SYSTEMS[type] ?? `0x${type.toString(16)}`,
    "median ms": ms(quantile(others, 0.5)),
    "95 % ms": ms(quantile(others, 0.95)),
    "longest ms": ms(Math.max(...others)),
    "first ms": ms(first),
  },
]);
process.exit(0);
