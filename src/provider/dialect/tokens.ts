/** A word, a number or a single sign of a text. */
export interface Token {
  readonly kind: "word" | "number" | "sign";
  readonly text: string;
  /** Of a number; NaN otherwise. */
  readonly value: number;
  /** Nothing stands between it and the token before. */
  readonly glued: boolean;
}

const MOST_TOKENS = 1_500;

/** Cuts a text in lower case into tokens. Names of zones (`america/new_york`) stay whole. */
export function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let glued = false;
  while (at < text.length && tokens.length < MOST_TOKENS) {
    const first = text.charCodeAt(at);
    if (first <= 0x20) {
      at++;
      glued = false;
      continue;
    }
    const end = isDigit(first) ? endOfNumber(text, at) : isLetter(first) ? endOfWord(text, at) : at + 1;
    const part = text.slice(at, end);
    const kind = isDigit(first) ? "number" : isLetter(first) ? "word" : "sign";
    tokens.push({ kind, text: part, value: kind === "number" ? Number(part) : Number.NaN, glued });
    at = end;
    glued = true;
  }
  return tokens;
}

function endOfNumber(text: string, from: number): number {
  let at = from;
  while (isDigit(text.charCodeAt(at))) at++;
  if (text[at] !== "." || !isDigit(text.charCodeAt(at + 1))) return at;
  at++;
  while (isDigit(text.charCodeAt(at))) at++;
  return at;
}

function endOfWord(text: string, from: number): number {
  let at = from;
  while (
    isLetter(text.charCodeAt(at)) ||
    (isJoint(text.charCodeAt(at)) && isLetter(text.charCodeAt(at + 1)))
  ) {
    at++;
  }
  return at;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function isLetter(code: number): boolean {
  return code >= 0x61 && code <= 0x7a;
}

/** Slash and underscore. */
function isJoint(code: number): boolean {
  return code === 0x2f || code === 0x5f;
}
