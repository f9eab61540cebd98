const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

const GOOD = '<path d="M7 12.5l3.5 3.5L17 9"/>';
const BAD = '<path d="M8.5 8.5l7 7M15.5 8.5l-7 7"/>';

/** What a page says: a title, one sentence, and facts with their names. */
export interface PageContent {
  readonly isGood: boolean;
  readonly title: string;
  readonly text: string;
  readonly facts?: readonly (readonly [name: string, value: string])[];
}

/** A whole page in itself. Loads nothing from anywhere and runs nothing. */
export function pageHtml({ isGood, title, text, facts = [] }: PageContent): string {
  const rows = facts.map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(value)}</dd>`).join("");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)} · auth-broker</title>
<style>
:root { color-scheme: light dark; --back: #f4f5f7; --card: #fff; --ink: #1c2024; --soft: #60646c; --line: #dfe1e6; --mark: ${isGood ? "#1a7f4b" : "#b42318"} }
@media (prefers-color-scheme: dark) { :root { --back: #111316; --card: #1b1e22; --ink: #eceef0; --soft: #9ba1a8; --line: #30343a; --mark: ${isGood ? "#4cc38a" : "#ff7b72"} } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; background: var(--back); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
main { width: 100%; max-width: 30rem; padding: 2rem; background: var(--card); border: 1px solid var(--line); border-radius: .75rem }
svg { display: block; width: 3rem; height: 3rem; fill: none; stroke: var(--mark); stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round }
h1 { margin: .75rem 0 .25rem; font-size: 1.5rem; line-height: 1.25; font-weight: 600 }
p { margin: 0; overflow-wrap: anywhere }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.25rem; margin: 1.25rem 0 0; padding-top: 1.25rem; border-top: 1px solid var(--line) }
dt { color: var(--soft) }
dd { margin: 0; overflow-wrap: anywhere }
footer { margin-top: 1.5rem; color: var(--soft); font-size: .875rem }
</style>
</head>
<body><main>
<svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="10"/>${isGood ? GOOD : BAD}</svg>
<h1>${escaped(title)}</h1>
<p>${escaped(text)}</p>${rows === "" ? "" : `\n<dl>${rows}</dl>`}
<footer>auth-broker</footer>
</main></body>
</html>
`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (letter) => ENTITIES[letter] ?? letter);
}
