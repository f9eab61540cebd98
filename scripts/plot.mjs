// Draws the figures of the benchmarks, for the README: reads the JSON lines that they print (standard input, other
// lines are passed over) and writes bench/figures.svg. `npm run bench:… | node scripts/plot.mjs`, or a file of many.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const OUT = fileURLToPath(new URL("../bench/figures.svg", import.meta.url));
const BAR = { left: 330, width: 420, height: 20, gap: 8 };

const runs = readFileSync(0, "utf8")
  .split("\n")
  .filter((line) => line.startsWith('{"bench"'))
  .map((line) => JSON.parse(line));
const rowsOf = (name) => runs.filter(({ bench }) => bench === name).at(-1)?.rows ?? [];

/** Nanoseconds for one credential. */
const bars = [
  ...rowsOf("live").flatMap((row) =>
    row.ns === undefined
      ? []
      : [
          ["live.current(), from memory", row.ns],
          ["broker.acquire(), over gRPC", row["acquire ns"]],
        ],
  ),
  ...rowsOf("peers")
    .filter(({ what }) => what !== "auth-broker")
    .map((row) => [
      { "locked file": "5 KB JSON file under a lock", "oidc-agent": "oidc-agent, over its socket" }[
        row.what
      ] ?? `${row.what}, over HTTP`,
      row["cached p50 ms"] * 1e6,
    ]),
];
if (bars.length === 0) throw new Error("no JSON line of bench:live or bench:peers on standard input");

const shown = (ns) =>
  ns < 1e3 ? `${ns} ns` : ns < 1e6 ? `${(ns / 1e3).toFixed(0)} µs` : `${(ns / 1e6).toFixed(1)} ms`;
// One step of the scale for each factor of ten, from 10 ns.
const longest = Math.ceil(Math.log10(Math.max(...bars.map(([, ns]) => ns))));
const length = (ns) => Math.max(2, ((Math.log10(ns) - 1) / (longest - 1)) * BAR.width);
const text = (value) => value.replace(/[&<>]/g, (letter) => `&#${letter.charCodeAt(0)};`);
const lines = bars.map(([name, ns], i) => {
  const y = 40 + i * (BAR.height + BAR.gap);
  const end = BAR.left + length(ns);
  return `<text x="${BAR.left - 8}" y="${y + 15}" text-anchor="end">${text(name)}</text>
<rect x="${BAR.left}" y="${y}" width="${length(ns).toFixed(1)}" height="${BAR.height}" fill="#4878a8"/>
<text x="${(end + 6).toFixed(1)}" y="${y + 15}">${shown(ns)}</text>`;
});
const height = 50 + bars.length * (BAR.height + BAR.gap);
writeFileSync(
  OUT,
  `<svg xmlns="http://www.w3.org/2000/svg" width="860" height="${height}" font-family="sans-serif" font-size="13" fill="#666">
<title>Time for one cached credential</title>
<text x="8" y="20">Time for one cached credential (median; each step of the scale is ten times the one before)</text>
${lines.join("\n")}
</svg>
`,
);
