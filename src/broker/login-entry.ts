import type { LoginFlow, LoginReason, LoginState } from "../domain/login.ts";
import type { Profile } from "../domain/profile.ts";

/** One login as it stands; never changed, only replaced. */
export interface Login {
  readonly id: string;
  readonly provider: string;
  /** Id of the profile; empty while only the account can tell. */
  readonly profileId: string;
  readonly flow: LoginFlow;
  readonly state: LoginState;
  /** For FAILED and CANCELLED. */
  readonly reason?: LoginReason;
  /** One sentence for a person about the end; empty until then. */
  readonly message: string;
  readonly authorizeUrl: string;
  /** Where the browser will be sent. */
  readonly redirectUrl: string;
  readonly userCode: string;
  readonly verificationUrl: string;
  readonly verificationUrlComplete: string;
  readonly intervalMs?: number;
  readonly startedAtMs: number;
  readonly expiresAtMs: number;
  /** What is worth knowing although it went well, a sentence each. */
  readonly notes: readonly string[];
  /** For DONE: the profile as it was kept. */
  readonly profile?: Profile;
}

const OVER: readonly LoginState[] = ["DONE", "FAILED", "CANCELLED"];

export function isOver({ state }: Login): boolean {
  return OVER.includes(state);
}

/** A login under way, and whoever wants to hear of it. */
export class LoginEntry {
  #login: Login;
  readonly #listeners = new Set<() => void>();
  readonly #ended = new AbortController();
  readonly allowAccountChange: boolean;

  constructor(login: Login, allowAccountChange: boolean) {
    this.#login = login;
    this.allowAccountChange = allowAccountChange;
  }

  get login(): Login {
    return this.#login;
  }

  /** Aborts when the login is over. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Shows a newer state; what is over stays as it is. */
  update(change: Partial<Login>): void {
    if (isOver(this.#login)) return;
    this.#login = { ...this.#login, ...change };
    for (const listener of [...this.#listeners]) listener();
    if (isOver(this.#login)) this.#ended.abort();
  }

  on(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
