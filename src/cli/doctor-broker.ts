import { addressText } from "../endpoint/address.ts";
import { probe } from "../endpoint/probe.ts";
import { VERSION } from "../package.ts";
import { type Asked, addressOf, ask, dial } from "./call.ts";
import { type Check, fail, ok, warn } from "./doctor-check.ts";
import { allProfiles } from "./profile-pages.ts";
import { bare, type ProfileView, profileViews, stateText } from "./profile-view.ts";

/** States that last until somebody does something. */
const STUCK = ["NEEDS_LOGIN", "REFRESH_IN_DOUBT", "BLOCKED"];

/** Looks at the broker, if one runs, and gives its profiles. Rejects with `CommandError` if it fails to answer. */
export async function brokerChecks(checks: Check[]): Promise<readonly ProfileView[]> {
  if (!(await isLive("status", "broker", checks))) return [];
  checks.push(...statusChecks(await ask("status", "GetStatus", {})));
  if (!(await isLive("profile", "administration", checks))) return [];
  using line = await dial("profile");
  const profiles = profileViews((await allProfiles(line)).profiles);
  if (profiles.length === 0) {
    checks.push(ok("profile", "the broker has none yet: auth-broker login PROVIDER, or auth-broker import"));
  }
  for (const view of profiles) {
    if (STUCK.includes(bare(view.state))) {
      checks.push(
        warn("profile", `${view.profile} is ${stateText(view)}`, `auth-broker explain ${view.provider}`),
      );
    }
  }
  return profiles;
}

async function isLive(service: Asked, topic: string, checks: Check[]): Promise<boolean> {
  const address = addressOf(service);
  const { state, message } = await probe(address);
  if (state === "live") checks.push(ok(topic, `somebody answers at ${addressText(address)}`));
  else if (state === "absent") checks.push(warn(topic, message));
  else checks.push(fail(topic, message));
  return state === "live";
}

function statusChecks(status: { readonly [key: string]: unknown }): readonly Check[] {
  const version = String(status.version);
  const store = status.store as { readonly kind: string; readonly writable: boolean };
  const warnings = status.warnings as readonly string[];
  return [
    version === VERSION
      ? ok("broker", `it is version ${version} too`)
      : warn("broker", `it is version ${version}, this command is ${VERSION}`, "restart the broker"),
    store.writable
      ? ok("store", `${store.kind}, writable`)
      : fail("store", `${store.kind} cannot be written`),
    ...warnings.map((warning) => warn("broker", warning)),
  ];
}
