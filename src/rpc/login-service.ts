import type { Broker } from "../broker/broker.ts";
import type { Login } from "../broker/login-entry.ts";
import { viewOf } from "../broker/status.ts";
import { type Desk, stream, unary } from "./handler.ts";
import { durationOf, timestampOf } from "./instants.ts";
import { readProfileId } from "./read.ts";
import { readLoginId, readLogout, readStartLogin, readSubmitLogin } from "./read-login.ts";
import type { Message } from "./schema.ts";
import { SERVICES, type Service } from "./schema.ts";
import { serverDefinition } from "./services.ts";
import { writeProfile } from "./write.ts";

export function loginService(desk: Desk, broker: Broker): Service {
  const shown = (login: Login): Message => ({ login: writeLogin(broker, login) });
  return {
    definition: serverDefinition(SERVICES.login),
    implementation: {
      StartLogin: unary(desk, async (message) => {
        const order = readStartLogin(message);
        return shown(await (await broker.logins()).start(order));
      }),
      WatchLogin: stream(
        desk,
        async function* (message, { signal }) {
          const logins = await broker.logins();
          yield* logins.watch(readLoginId(message), signal);
        },
        shown,
      ),
      SubmitLogin: unary(desk, async (message) => {
        const { loginId, answer } = readSubmitLogin(message);
        return shown((await broker.logins()).submit(loginId, answer));
      }),
      CancelLogin: unary(desk, async (message) =>
        shown((await broker.logins()).cancel(readLoginId(message))),
      ),
      ListLogins: unary(desk, async () => ({
        logins: (await broker.logins()).list().map((login) => writeLogin(broker, login)),
      })),
      Logout: unary(desk, async (message) => {
        const { profile, keepAtProvider } = readLogout(message);
        return { ...(await broker.logout(profile, keepAtProvider)) };
      }),
      ReturnProfile: unary(desk, async (message) => ({
        sourcePath: await broker.returnProfile(readProfileId(message)),
      })),
    },
  };
}

function writeLogin(broker: Broker, login: Login): Message {
  const { id, profileId, flow, state, reason = "", profile, intervalMs, startedAtMs, expiresAtMs } = login;
  const { provider, message, authorizeUrl, redirectUrl, userCode, verificationUrl } = login;
  return {
    loginId: id,
    provider,
    profileId,
    flow: `LOGIN_FLOW_${flow}`,
    state: `LOGIN_STATE_${state}`,
    reason,
    message,
    authorizeUrl,
    redirectUrl,
    userCode,
    verificationUrl,
    verificationUrlComplete: login.verificationUrlComplete,
    ...(intervalMs === undefined ? {} : { interval: durationOf(intervalMs) }),
    startTime: timestampOf(startedAtMs),
    expireTime: timestampOf(expiresAtMs),
    notes: login.notes,
    ...(profile === undefined ? {} : { profile: writeProfile(viewOf(broker.ctx, profile)) }),
  };
}
