import type { Message } from "../rpc/schema.ts";
import type { Line } from "./call.ts";

/** All pages of a list as one answer. Rejects with `CommandError`. */
export async function allProfiles(line: Line, provider = ""): Promise<Message> {
  const profiles: unknown[] = [];
  let pageToken = "";
  do {
    const page = await line.call("ListProfiles", { provider, pageToken });
    profiles.push(...(page.profiles as readonly unknown[]));
    pageToken = String(page.nextPageToken);
  } while (pageToken !== "");
  return { profiles, nextPageToken: "" };
}
