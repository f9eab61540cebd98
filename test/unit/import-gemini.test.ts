import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readSource } from "../../src/import/sources.ts";
import { importHome } from "../support/import-home.ts";
import { fakeJwt } from "../support/jwt.ts";
import { writeJson } from "../support/openclaw-home.ts";

describe("a login of Gemini CLI", () => {
  test("becomes a google-gemini-cli profile named after the e-mail", async () => {
    const context = await importHome();
    const path = join(context.home, ".gemini", "oauth_creds.json");
    await writeJson(path, {
      access_token: "ya29.FAKE",
      refresh_token: "1//FAKE",
      id_token: fakeJwt({ sub: "s-1", email: "me@example.test" }),
      expiry_date: 1_798_000_000_000,
      scope: "openid  https://scope.example.test/cloud",
      token_type: "Bearer",
    });
    const { profiles, skipped } = await readSource("gemini", undefined, context);
    expect(skipped).toEqual([]);
    expect(profiles).toMatchObject([
      {
        id: "google-gemini-cli:me@example.test",
        source: "gemini",
        sourcePath: path,
        account: { userId: "s-1", email: "me@example.test" },
        grant: {
          kind: "oauth",
          expires: { wallMs: 1_798_000_000_000 },
          scopes: ["openid", "https://scope.example.test/cloud"],
        },
      },
    ]);
  });

  test("without an access token is skipped", async () => {
    const context = await importHome();
    await writeJson(join(context.home, ".gemini", "oauth_creds.json"), { refresh_token: "1//FAKE" });
    const { profiles, skipped } = await readSource("gemini", undefined, context);
    expect(profiles).toEqual([]);
    expect(skipped).toMatchObject([{ reason: "it holds no access token" }]);
  });

  test.each([[], {}, { access_token: { a: 1 } }])(
    "in another format is exit 65 (case %#)",
    async (content) => {
      const context = await importHome();
      await writeJson(join(context.home, ".gemini", "oauth_creds.json"), content);
      await expect(readSource("gemini", undefined, context)).rejects.toMatchObject({ exit: 65 });
    },
  );
});
