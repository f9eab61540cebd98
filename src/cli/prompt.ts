import { constants } from "node:os";

const CONTROL_C = "\u0003";
const CONTROL_D = "\u0004";
const ERASE = ["\u007f", "\b"];

/**
 * Asks on the terminal and reads what is typed without showing it: up to the end of the line, or up to
 * Ctrl-D. Ctrl-C ends the program as an interrupt does.
 */
export async function readHidden(question: string, ends: "line" | "end"): Promise<string> {
  const { stdin } = process;
  // First, so that nothing of a quick answer is shown.
  stdin.setRawMode(true).setEncoding("utf8");
  process.stderr.write(question);
  let typed = "";
  try {
    for await (const chunk of stdin) {
      for (const letter of String(chunk)) {
        if (letter === CONTROL_C) interrupt();
        const isEnd = letter === CONTROL_D || (ends === "line" && (letter === "\r" || letter === "\n"));
        if (isEnd) return typed;
        typed = ERASE.includes(letter) ? typed.slice(0, -1) : typed + (letter === "\r" ? "\n" : letter);
      }
    }
    return typed;
  } finally {
    stdin.setRawMode(false).pause();
    process.stderr.write("\n");
  }
}

function interrupt(): never {
  process.stdin.setRawMode(false);
  process.stderr.write("\n");
  process.exit(128 + constants.signals.SIGINT);
}
