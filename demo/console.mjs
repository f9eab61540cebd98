import { styleText } from "node:util";

let step = 0;

const paint = (style, text) => (process.stdout.isTTY ? styleText(style, text) : text);

/** Begins a step of the demo. */
export function heading(title) {
  step++;
  console.log(`\n${paint("bold", `${step}. ${title}`)}`);
}

/** Something that was seen to happen. */
export function say(text) {
  console.log(`   ${text}`);
}

/** Something that must have happened: the demo ends with an error if it did not. */
export function check(happened, text) {
  if (!happened) throw new Error(`did not happen: ${text}`);
  console.log(`   ${paint("green", "✓")} ${text}`);
}
