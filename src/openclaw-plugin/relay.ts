import type { AssistantMessage, EventStream, StreamEvent } from "./host.ts";

/** The stream that OpenClaw reads while requests come and go behind it. For one reader. */
export class Relay implements EventStream {
  readonly #events: StreamEvent[] = [];
  readonly #last: Promise<AssistantMessage>;
  #settle: (message: AssistantMessage) => void = () => {};
  #wake = () => {};
  #isOver = false;

  constructor() {
    this.#last = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** Whether an end was passed on. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Passes an event on. An answer or an error ends the stream; nothing is passed on after it. */
  push(event: StreamEvent): void {
    if (this.#isOver) return;
    this.#events.push(event);
    if (event.type === "done" || event.type === "error") {
      this.#isOver = true;
      this.#settle(event.type === "done" ? event.message : event.error);
    }
    this.#wake();
  }

  result(): Promise<AssistantMessage> {
    return this.#last;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StreamEvent, void> {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) yield event;
      else if (this.#isOver) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}
