import { moment } from "../client/when.ts";
import { toTwin } from "../rpc/json.ts";
import type { Message } from "../rpc/schema.ts";
import { CommandError } from "./command-error.ts";
import { note, paint, plain, print } from "./output.ts";
import { type ProfileView, profileView } from "./profile-view.ts";
import { noteOutside } from "./profiles-change.ts";

/** A login as the person at the terminal sees it. Enums carry their prefix, as on the wire. */
export interface LoginView {
  readonly loginId: string;
  readonly provider: string;
  readonly profileId: string;
  readonly flow: string;
  readonly state: string;
  readonly reason: string;
  readonly message: string;
  readonly authorizeUrl: string;
  readonly userCode: string;
  readonly verificationUrl: string;
  readonly verificationUrlComplete: string;
  readonly expireTime?: Date;
  readonly notes: readonly string[];
}

/** The login in an answer. */
export function loginView(answer: Message): LoginView {
  return toTwin("authbroker.v1.Login", answer.login as Message) as unknown as LoginView;
}

/** The address that a browser is to open. */
export function addressOfLogin({
  authorizeUrl,
  verificationUrl,
  verificationUrlComplete,
}: LoginView): string {
  return [authorizeUrl, verificationUrlComplete, verificationUrl].find((url) => url !== "") ?? "";
}

/** What to do now. The address stands on a line of its own, however long it is, so that it can be copied whole. */
export function showTask(login: LoginView, nowMs: number): void {
  const provider = plain(login.provider);
  const until = login.expireTime === undefined ? "" : `, until ${moment(login.expireTime, nowMs)}`;
  for (const remark of login.notes) note(plain(remark));
  if (login.flow === "LOGIN_FLOW_CLIENT") return;
  if (login.flow === "LOGIN_FLOW_DEVICE") {
    print(`to log in to ${provider}, open this address on any machine:`);
    print(plain(login.verificationUrl));
    print(`and enter this code: ${paint("bold", plain(login.userCode))}`);
  } else {
    print(`to log in to ${provider}, open this address in a browser:`);
    print(plain(login.authorizeUrl));
  }
  note(`waiting for you${until}; Ctrl-C gives up`);
}

/** What is going on, once a state. */
export function showProgress({ state }: LoginView): void {
  if (state === "LOGIN_STATE_EXCHANGING") note("the code is being exchanged…");
  if (state === "LOGIN_STATE_VERIFYING") note("the login is being checked and written down…");
}

/** The end of a login that succeeded. */
export function showDone(login: LoginView, profile: ProfileView): void {
  const about = [profile.accountHint, profile.planType].filter((text) => text !== "").join(", ");
  print(plain(`logged in: ${profile.profile}${about === "" ? "" : ` (${about})`}`));
  for (const remark of login.notes) note(plain(remark));
  noteOutside(profile);
}

/** The profile of a login that succeeded. */
export function profileOf(answer: Message): ProfileView {
  return profileView((answer.login as Message).profile as Message);
}

const EXITS: Readonly<Record<string, number>> = {
  ACCOUNT_CHANGED: 64,
  IDENTITY_EXISTS: 64,
  STORE_UNAVAILABLE: 74,
  UPSTREAM_UNAVAILABLE: 75,
  EXPIRED: 75,
  CANCELLED: 75,
  SUPERSEDED: 75,
  BROKER_STOPPED: 75,
  UNEXPECTED: 70,
};

/** The end of one that did not. */
export function loginError({ provider, profileId, reason, message }: LoginView): CommandError {
  const label = profileId.slice(profileId.indexOf(":") + 1);
  const again = `auth-broker login ${provider}${profileId === "" ? "" : ` --label ${label}`}`;
  const help: Readonly<Record<string, string>> = {
    ACCOUNT_CHANGED: `${again} --allow-account-change, or another --label`,
    IDENTITY_EXISTS: `auth-broker login ${provider}, without --label`,
    NO_REFRESH_TOKEN: `ask for offline_access: "scopes" of ${provider} in config.json`,
    CLIENT_REFUSED: `look at "clientId" and "clientSecret" of ${provider} in config.json`,
    ISSUER_MISMATCH: `look at "issuer" of ${provider} in config.json`,
  };
  return new CommandError(EXITS[reason] ?? 78, message, { reason, help: help[reason] ?? again });
}
