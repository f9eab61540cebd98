import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { errorJson, MAIN } from "../support/cli.ts";
import { withoutKoffi } from "../support/no-koffi.ts";
import { mayBeOther, OTHER_UID, runAsOther } from "../support/other-user.ts";
import { type Running, run, start } from "../support/process.mjs";
import { type Serving, serving } from "../support/serving.ts";
import type { Json } from "../support/wire-json.ts";

const CALLER = join(import.meta.dirname, "../support/descriptor-call.mjs");
const isLinux = process.platform === "linux";
if (!isLinux) console.warn("SKIPPED: programs, units and process numbers are told apart on Linux only");
const canBeOther = mayBeOther();

/** Connects and tells how many bytes it was sent before it was hung up on. */
const CONNECT = `const s = require("net").connect(process.argv[1]);
  s.on("connect", () => s.write("PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n\\0\\0\\0\\4\\0\\0\\0\\0\\0"));
  s.on("error", () => {}); s.resume();
  s.on("close", () => console.log("closed after", s.bytesRead)); setTimeout(() => process.exit(1), 5000);`;

/** Another program that does the same as node: a copy is another file. */
function copyOfNode(broker: Serving): string {
  const path = join(broker.cli.home, "open", "other-node");
  copyFileSync(process.execPath, path);
  chmodSync(path, 0o755);
  return path;
}

const acquireWith = (node: string, { cli, at }: Serving, endpoint: string) =>
  run(node, [MAIN, "acquire", "openrouter", "--json"], { env: { ...cli.env, ...at(endpoint) } });

describe.runIf(canBeOther)("another user", () => {
  test("is cut off before any frame, also once the socket's permissions have been opened", async () => {
    const { cli, daemon } = await serving();
    const socket = join(cli.home, "run", "agent.sock");
    chmodSync(socket, 0o777);
    chmodSync(join(cli.home, "run"), 0o711);
    const other = await runAsOther(process.execPath, ["-e", CONNECT, socket]);
    expect(other.stdout).toBe("closed after 0\n");
    expect(await cli("acquire openrouter")).toMatchObject({ code: 0 });
    expect(daemon.stderr()).not.toContain("unexpected");
  });

  test("is served where an endpoint lists it, and nobody else there", async () => {
    const broker = await serving({ ci: { allow: { uids: [OTHER_UID] } } });
    const env = { ...broker.cli.env, ...broker.at("ci"), HOME: "/" };
    const other = await runAsOther(process.execPath, [MAIN, "acquire", "openrouter", "--json"], { env });
    expect(other.stderr).toBe("");
    expect(JSON.parse(other.stdout).lease.profile).toBe("openrouter:work");
    const own = await run(process.execPath, ["-e", CONNECT, broker.at("ci").AUTH_BROKER_SOCKET]);
    expect(own.stdout).toBe("closed after 0\n");
  });

  test("cannot report another's lease, on the same endpoint or on its own", async () => {
    const uids = [OTHER_UID, process.getuid?.()];
    const broker = await serving({ ci: { allow: { uids } }, own: { allow: { uids: [OTHER_UID] } } });
    const env = { ...broker.cli.env, ...broker.at("ci"), HOME: "/" };
    const got = await run(process.execPath, [MAIN, "acquire", "openrouter", "--json"], { env });
    const report = ["report", JSON.parse(got.stdout).lease.leaseId, "RATE_LIMIT", "--json"];
    for (const endpoint of ["ci", "own"]) {
      const told = await runAsOther(process.execPath, [MAIN, ...report], {
        env: { ...env, ...broker.at(endpoint) },
      });
      expect(errorJson(told).reason, endpoint).toBe("LEASE_UNKNOWN");
    }
    expect(await run(process.execPath, [MAIN, ...report], { env })).toMatchObject({ code: 0 });
  });
});

describe.runIf(isLinux)("an endpoint that names programs", () => {
  test("serves them and refuses others of the same user, with the exit code for it", async () => {
    const broker = await serving({ ci: {} });
    const other = copyOfNode(broker);
    await broker.daemon.kill();
    const named = await serving({ ci: { allow: { executables: [other] } } });
    expect(await acquireWith(other, named, "ci")).toMatchObject({ code: 0 });
    const refused = await acquireWith(process.execPath, named, "ci");
    expect(refused.code).toBe(77);
    expect(errorJson(refused)).toMatchObject({ code: "PERMISSION_DENIED", reason: "CLIENT_FORBIDDEN" });
    expect(await named.cli("acquire openrouter")).toMatchObject({ code: 0 });
  });

  test("knows a program by its file, not by a name that it shows", async () => {
    const broker = await serving({ ci: { allow: { executables: ["/usr/bin/perl"] } } });
    const script = `mount --bind ${process.execPath} /usr/bin/perl && exec /usr/bin/perl "$@"`;
    const told = await run(
      "unshare",
      ["-m", "sh", "-c", script, "sh", MAIN, "acquire", "openrouter", "--json"],
      { env: { ...broker.cli.env, ...broker.at("ci") } },
    );
    if (told.stderr.includes("unshare")) return console.warn("SKIPPED: no mount namespace may be made here");
    expect(errorJson(told).reason).toBe("CLIENT_FORBIDDEN");
  });

  /** Waits for the caller, lets it make one call, and gives its status and reason. */
  const called = async (child: Running): Promise<string[]> => {
    const pid = Number((await child.line(/"pid":(\d+)/))[1]);
    onTestFinished(() => void process.kill(pid, "SIGKILL"));
    return asked(child, pid);
  };
  const asked = async (child: Running, pid: number): Promise<string[]> => {
    process.kill(pid, "SIGUSR2");
    return (await child.line(/"status":(\d+),"reason":"(\w*)"/)).slice(1);
  };

  /** perl connects, waits until the broker has seen it, and runs the caller with its connection. */
  const throughPerl = (broker: Serving, script: string): Promise<Running> => {
    const perl = `use Socket; $^F = 255; $| = 1; socket(S, PF_UNIX, SOCK_STREAM, 0) or die;
      connect(S, sockaddr_un(shift)) or die; recv(S, my $settings, 1, MSG_PEEK);
      my @node = (shift, shift, "openrouter", fileno(S)); ${script}`;
    const args = ["-e", perl, broker.at("ci").AUTH_BROKER_SOCKET, process.execPath, CALLER];
    return start("perl", args, { env: broker.cli.env });
  };

  test("judges the program anew at each call: after exec it is another one", async () => {
    const executables = ["/usr/bin/perl", process.execPath];
    const broker = await serving({ ci: { allow: { executables } } });
    expect(await called(await throughPerl(broker, "exec @node;"))).toEqual(["16", "PEER_UNVERIFIED"]);
  });

  test("serves the calls of a program that stays itself, one after the other", async () => {
    const broker = await serving({ ci: { allow: { executables: [process.execPath] } } });
    const { AUTH_BROKER_SOCKET: path } = broker.at("ci");
    const child = await start(process.execPath, [CALLER, "openrouter", path]);
    for (let call = 0; call < 2; call += 1) expect(await called(child)).toEqual(["0", ""]);
  });

  test("notices that the number of the process that connected is another's", async () => {
    const broker = await serving({ ci: { allow: { executables: ["/usr/bin/perl", process.execPath] } } });
    // The one that connected ends; its child keeps the connection.
    const script = `my $first = $$; if (fork) { print "{\\"first\\": $$}\\n"; exit 0 }
      select(undef, undef, undef, 0.01) while getppid() == $first; exec @node;`;
    const child = await throughPerl(broker, script);
    const release = await takeNumber(Number((await child.line(/"first": (\d+)/))[1]));
    expect(await called(child)).toEqual(["16", "PEER_UNVERIFIED"]);
    release?.();
  });
});

/** Makes a process of perl with that number. Undefined, and said so, where the numbers cannot be chosen. */
async function takeNumber(pid: number): Promise<(() => void) | undefined> {
  for (let tries = 0; tries < 50; tries += 1) {
    try {
      writeFileSync("/proc/sys/kernel/ns_last_pid", String(pid - 1));
    } catch {
      break;
    }
    const child = await start("perl", ["-e", "<STDIN>"], { keepStdin: true });
    if (child.pid === pid) return () => child.hangUp();
    await child.kill("SIGKILL");
  }
  console.warn("SKIPPED: no process could be given the number of another; that it is gone was tried");
  return undefined;
}

describe.runIf(isLinux)("an endpoint that names units", () => {
  const GROUPS = ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"];

  /** Makes a control group as systemd would. Undefined, and said so, where that may not be done. */
  const unit = (name: string): string | undefined => {
    for (const root of GROUPS) {
      const path = join(root, name);
      try {
        mkdirSync(path);
        readFileSync(join(path, "cgroup.procs"));
        onTestFinished(async () => {
          for (let tries = 0; tries < 50; tries += 1) {
            try {
              return rmdirSync(path);
            } catch {
              await new Promise((resolve) => setTimeout(resolve, 20));
            }
          }
        });
        return path;
      } catch {
        // The next place.
      }
    }
    console.warn("SKIPPED: no control group may be made here, so units are NOT tested");
    return undefined;
  };

  test("serves what runs in them and nothing else", async () => {
    const group = unit("auth-broker-test.service");
    if (group === undefined) return;
    const broker = await serving({ ci: { allow: { units: ["auth-broker-test.service"] } } });
    const env = { ...broker.cli.env, ...broker.at("ci") };
    const within = ["-c", `echo $$ > ${group}/cgroup.procs && exec "$@"`, "sh", process.execPath, MAIN];
    const served = await run("sh", [...within, "acquire", "openrouter", "--json"], { env });
    expect(served.stderr).toBe("");
    expect(served.code).toBe(0);
    expect(errorJson(await acquireWith(process.execPath, broker, "ci")).reason).toBe("CLIENT_FORBIDDEN");
  });
});

describe.runIf(isLinux)("without the native calls", () => {
  const without = (endpoints: Readonly<Record<string, Json>>) => serving(endpoints, { node: withoutKoffi() });

  test("what must know the program or user refuses all and says so; our own endpoint rests on permissions", async () => {
    const allow = { executables: [process.execPath] };
    const broker = await without({
      ci: { allow },
      others: { allow: { uids: [OTHER_UID, process.getuid?.()] } },
    });
    await broker.daemon.line(/must know who is calling/);
    expect(await broker.cli("acquire openrouter")).toMatchObject({ code: 0 });
    for (const endpoint of ["ci", "others"]) {
      const refused = await acquireWith(process.execPath, broker, endpoint);
      expect(errorJson(refused), endpoint).toMatchObject({
        code: "UNAUTHENTICATED",
        reason: "PEER_UNVERIFIED",
      });
      expect(refused.code).toBe(77);
    }
    chmodSync(join(broker.cli.home, "run", "agent.sock"), 0o666);
    expect(errorJson(await broker.cli("acquire openrouter --json")).reason).toBe("PEER_UNVERIFIED");
  });
});
