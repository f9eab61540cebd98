import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Openclaw } from "../../src/openclaw/program.ts";
import { codexPatch } from "../../src/openclaw/routes.ts";
import { type RouteSetup, setUp, takeOut } from "../../src/openclaw/setup.ts";

const OWN = `{ "gateway": { "port": 1 } } // mine`;

type Fields = Record<string, unknown>;

function merged(base: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const next: Fields = { ...(base as Fields) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete next[key];
    else next[key] = merged(next[key], value);
  }
  return next;
}

/** A folder with a configuration, and the few commands of OpenClaw that setting up needs. */
async function installed({ refuses = false, text = OWN as string | null } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "setup-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const config = join(folder, "openclaw.json");
  if (text !== null) await writeFile(config, text);
  const read = async (path: string) =>
    existsSync(path) ? JSON.parse((await readFile(path, "utf8")).replace(/\/\/.*/, "")) : undefined;
  const change = async (patch: unknown) =>
    writeFile(config, JSON.stringify(merged((await read(config)) ?? {}, patch)));
  const openclaw: Openclaw = {
    async run(args, input = "") {
      const said = (value: unknown) => ({ code: 0, stdout: JSON.stringify(value), stderr: "" });
      if (args[1] === "file") return said({ path: config });
      if (args[1] === "validate") return said({ valid: true });
      if (args.includes("--dry-run")) return said({ ok: !refuses, errors: [{ message: "not so" }] });
      await change(JSON.parse(input));
      return said({});
    },
  };
  const place = { openclaw, journalPath: join(folder, "journal.json"), readConfig: read };
  const helper = join(folder, "helper");
  const route: RouteSetup = {
    route: "codex",
    patchOf: () => codexPatch(helper),
    wrapper: { path: helper, text: "#!/bin/sh\n" },
  };
  return { place, route, helper, change, text: () => readFile(config, "utf8"), read: () => read(config) };
}

test("what nobody else wrote comes back byte by byte, also when it was set up twice", async () => {
  const { place, route, helper, text } = await installed();
  await setUp(place, route);
  await setUp(place, route);
  expect(await text()).toContain(helper);
  await takeOut(place, route);
  expect(await text()).toBe(OWN);
  expect(existsSync(helper)).toBe(false);
  await expect(takeOut(place, route)).rejects.toMatchObject({ exit: 66 });
});

test("what was written since stays; what was changed of ours is named", async () => {
  const { place, route, change, read } = await installed();
  await setUp(place, route);
  await change({ gateway: { port: 2 }, plugins: { entries: { codex: { enabled: true } } } });
  expect(await takeOut(place, route)).not.toContainEqual(expect.stringContaining("left as it is"));
  expect(await read()).toEqual({ gateway: { port: 2 }, plugins: { entries: { codex: { enabled: true } } } });

  await setUp(place, route);
  await change(codexPatch("/theirs"));
  expect(await takeOut(place, route)).toContainEqual(expect.stringContaining("appServer.command"));
  expect(await read()).toMatchObject(codexPatch("/theirs"));
});

test("what OpenClaw refuses is not written, and leaves no helper", async () => {
  const { place, route, helper, text } = await installed({ refuses: true });
  await expect(setUp(place, route)).rejects.toMatchObject({
    exit: 78,
    message: expect.stringContaining("not so"),
  });
  expect(await text()).toBe(OWN);
  expect(existsSync(helper)).toBe(false);
});

test("a configuration that was not there goes again", async () => {
  const { place, route, read } = await installed({ text: null });
  await setUp(place, route);
  await takeOut(place, route);
  expect(await read()).toBeUndefined();
});

test("two routes come out in either order", async () => {
  const { place, route, text, read } = await installed();
  const { wrapper: _, ...bare } = route;
  const plugin = {
    ...bare,
    route: "plugin",
    patchOf: () => ({ plugins: { load: { paths: ["/p"] } } }),
  } as const;
  await setUp(place, route);
  await setUp(place, plugin);
  await takeOut(place, route);
  expect(await read()).toEqual({ gateway: { port: 1 }, plugins: { load: { paths: ["/p"] } } });
  await takeOut(place, plugin);
  // A branch that was there when the second came stays, empty.
  expect(await read()).toEqual({ gateway: { port: 1 }, plugins: {} });
  await setUp(place, route);
  await setUp(place, plugin);
  const between = await text();
  await takeOut(place, plugin);
  expect(await text()).not.toBe(between);
  await takeOut(place, route);
  expect(await read()).toEqual({ gateway: { port: 1 }, plugins: {} });
});
