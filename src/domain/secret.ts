const REDACTED = "[redacted]";
const SHORTEST_TELLING = 12;

/**
 * A text that must not be shown. Printing, inspecting, concatenating or serialising it gives
 * `[redacted]`; only `reveal()` gives the text, and only the token request, the wire encoder and
 * the record encoder of the store call it.
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  /** True if both hold the same text. */
  equals(other: Secret | undefined): boolean {
    return other !== undefined && other.#text === this.#text;
  }

  /** True if a text holds this one, or is it; what is shorter than any real secret occurs by chance. */
  isShownIn(text: string): boolean {
    return text === this.#text || (this.#text.length >= SHORTEST_TELLING && text.includes(this.#text));
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return REDACTED;
  }
}
