let steps = 0;

const paint = (code, text) => (process.stdout.isTTY ? `\u001b[${code}m${text}\u001b[0m` : text);

/** Begins a step. */
export function step(title) {
  steps++;
  console.log(`\n${paint(1, `${steps}. ${title}`)}`);
}

/** Something that was seen to happen, indented under its step. */
export function say(text) {
  for (const line of text.trimEnd().split("\n")) console.log(line === "" ? "" : `   ${line}`);
}

/** Something that must have happened; the demo ends here if it did not. */
export function check(happened, text) {
  if (!happened) throw new Error(`this did not happen: ${text}`);
  console.log(`   ${paint(32, "✓")} ${text}`);
}
