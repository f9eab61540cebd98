import { z } from "zod";
import { LOGIN_FLOWS, type LoginFlow } from "../domain/login.ts";
import { name, optional, profileProblem, providerId, read, requiredProfileId } from "./fields.ts";
import type { Message } from "./schema.ts";

const startRequest = z.object({
  provider: providerId,
  label: name.refine(
    (label) => label === "" || (label.trim() === label && profileProblem(`p:${label}`) === undefined),
    "must be a name without blanks around it",
  ),
  flow: optional("LOGIN_FLOW_", LOGIN_FLOWS),
  allowAccountChange: z.boolean(),
});

const loginId = name.min(1, "is required");

export function readStartLogin(message: Message): {
  readonly provider: string;
  readonly label: string;
  readonly flow?: LoginFlow;
  readonly allowAccountChange: boolean;
} {
  const { flow, ...order } = read(startRequest, message);
  return { ...order, ...(flow === undefined ? {} : { flow }) };
}

export function readLoginId(message: Message): string {
  return read(z.object({ loginId }), message).loginId;
}

/** An address may be long; nothing that a person pastes is longer than this. */
const LONGEST_ANSWER = 16_384;

export function readSubmitLogin(message: Message): { readonly loginId: string; readonly answer: string } {
  const answer = z.string().min(1, "is required").max(LONGEST_ANSWER, "is too long");
  return read(z.object({ loginId, answer }), message);
}

export function readLogout(message: Message): {
  readonly profile: string;
  readonly keepAtProvider: boolean;
} {
  return read(z.object({ profile: requiredProfileId, keepAtProvider: z.boolean() }), message);
}
