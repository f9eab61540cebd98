import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { emptyCli, errorJson } from "../support/cli.ts";

test("schema prints a JSON Schema", async () => {
  const shown = await (await emptyCli())("config schema");
  expect(shown).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(shown.stdout)).toMatchObject({
    type: "object",
    properties: { providers: {}, cooldown: {} },
  });
});

test("check says that the file is fine, or that there is none", async () => {
  const cli = await emptyCli();
  const file = join(cli.home, "config.json");
  expect(await cli("config check")).toMatchObject({
    code: 0,
    stdout: `${file} does not exist; the defaults apply\n`,
  });
  expect(JSON.parse((await cli("config check --json")).stdout)).toEqual({ file, exists: false });
  await writeFile(file, '\uFEFF// comment\r\n{ "session": { "idleLimit": "2h" }, }\r\n');
  expect(await cli("config check")).toMatchObject({ code: 0, stdout: `${file} is fine\n`, stderr: "" });
  expect(await cli(`config check ${file}`)).toMatchObject({ code: 0 });
});

test.each([
  ["", "empty"],
  ["{", "not valid JSON"],
  ['{"sesion":{}}', '"session"'],
  ['{"session":{"idleLimit":3}}', "session.idleLimit"],
  ['{"session":{"idleLimit":"-3s"}}', "negative"],
  ['{"refresh":{"lanes":0}}', "refresh.lanes"],
])("a file that says %j is refused with 78, naming the fault, by check and by serve", async (text, why) => {
  const cli = await emptyCli();
  await writeFile(join(cli.home, "config.json"), text);
  for (const args of ["config check", "serve"]) {
    const ended = await cli(args);
    expect(ended).toMatchObject({ code: 78, stdout: "" });
    expect(ended.stderr).toContain(why);
    expect(ended.stderr).toContain("auth-broker config schema");
  }
  expect(errorJson(await cli("config check --json"))).toMatchObject({ code: "FAILED_PRECONDITION" });
});

test("a named file that is missing is 66, a directory 78", async () => {
  const cli = await emptyCli();
  expect(await cli(`config check ${cli.home}/none.json`)).toMatchObject({ code: 66 });
  await mkdir(join(cli.home, "config.json"));
  expect(await cli("config check")).toMatchObject({ code: 78 });
});
