const UNITS = [
  { name: "d", seconds: 86_400 },
  { name: "h", seconds: 3_600 },
  { name: "min", seconds: 60 },
  { name: "s", seconds: 1 },
] as const;

/** A length of time in its two largest units, such as `2 h 5 min`; begun seconds count. */
export function lengthText(ms: number): string {
  let left = Math.ceil(ms / 1000);
  const first = Math.max(
    0,
    UNITS.findIndex(({ seconds }) => left >= seconds),
  );
  if (left === 0) return "0 s";
  const parts: string[] = [];
  for (const { name, seconds } of UNITS.slice(first, first + 2)) {
    const count = Math.floor(left / seconds);
    left -= count * seconds;
    if (count > 0) parts.push(`${count} ${name}`);
  }
  return parts.join(" ");
}

/** How far a moment is from now: `in 2 h 5 min`, `2 h 5 min ago`, `now`. */
export function countdown(atMs: number, nowMs: number): string {
  if (atMs > nowMs) return `in ${lengthText(atMs - nowMs)}`;
  const pastMs = Math.floor((nowMs - atMs) / 1000) * 1000;
  return pastMs === 0 ? "now" : `${lengthText(pastMs)} ago`;
}

/** Local wall-clock time, with the date unless it is today: `14:05`, `2026-11-30 14:05`. */
export function localTime(atMs: number, nowMs: number): string {
  const at = new Date(atMs);
  const two = (value: number) => String(value).padStart(2, "0");
  const date = (day: Date) => `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  return date(at) === date(new Date(nowMs)) ? time : `${date(at)} ${time}`;
}

/** A moment as people want it: `14:05 (in 2 h 5 min)`. */
export function moment(at: Date, nowMs: number): string {
  return `${localTime(at.getTime(), nowMs)} (${countdown(at.getTime(), nowMs)})`;
}
