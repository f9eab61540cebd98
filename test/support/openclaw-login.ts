import type { Running } from "./process.mjs";
import { until } from "./until.ts";

const ENTER = "\r";

/** What follows `openclaw models auth`. */
export const LOGIN = ["login", "--provider", "authbroker", "--method", "local", "--set-default"];

/** Answers the questions of the login as a person does. Resolves with what the terminal showed. */
export async function logIn(terminal: Running, baseUrl: string): Promise<string> {
  const answers: [RegExp, string][] = [
    [/Which accounts of the broker[\s\S]*Enter: confirm/, ""],
    [/◆ {2}Address of the model API/, baseUrl],
    [/◆ {2}Model id/, ""],
  ];
  for (const [question, answer] of answers) {
    await until(() => question.test(terminal.stdout()));
    terminal.send(`${answer}${ENTER}`);
  }
  await terminal.exited;
  return terminal.stdout();
}
