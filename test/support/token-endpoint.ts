/** One request that reached the token endpoint. */
export interface TokenRequest {
  readonly url: string;
  readonly headers: Headers;
  /** Of the form or JSON body. */
  readonly fields: Readonly<Record<string, string>>;
  readonly signal: AbortSignal | undefined;
}

type Answer = (request: TokenRequest) => Response | Promise<Response>;

/** A token endpoint that a test programs. It stands in for `fetch`. */
export interface Endpoint {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly requests: readonly TokenRequest[];
  /** Answers the next request; those before it in the queue come first. */
  next(...answers: Answer[]): void;
  /** Answers every request for which none is queued. Default: new tokens, good for 10 h. */
  always(answer: Answer): void;
  /** Holds the next request until the test answers it. */
  hold(): Held;
  /** Resolves as soon as so many requests have come. */
  reached(count: number): Promise<void>;
  /** Gives up on what is still held. */
  end(): void;
}

export interface Held {
  /** Resolves with the request when it comes. */
  readonly arrived: Promise<TokenRequest>;
  answer(response: Response): void;
  /** The connection breaks after the request was sent. */
  drop(): void;
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/json", ...headers },
  });
}

export function html(status: number, headers: Record<string, string> = {}): Response {
  return new Response("<html><body>not here</body></html>", {
    status,
    headers: { "content-type": "text/html", ...headers },
  });
}

/** A failure of `fetch` after the request may have left. */
export function broken(): TypeError {
  return new TypeError("fetch failed", {
    cause: Object.assign(new Error("socket hang up"), { code: "ECONNRESET" }),
  });
}

/** What a token endpoint says when all is well. */
export function tokens(n: number | string, rest: Record<string, unknown> = {}): Response {
  return json(200, {
    access_token: `at-FAKE-new-${n}`,
    refresh_token: `rt-FAKE-new-${n}`,
    token_type: "Bearer",
    expires_in: 36_000,
    ...rest,
  });
}

export function tokenEndpoint(): Endpoint {
  const requests: TokenRequest[] = [];
  const queue: Answer[] = [];
  const waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  const open = new Set<() => void>();
  let issued = 0;
  let fallback: Answer = () => tokens(++issued);
  return {
    requests,
    next: (...answers) => void queue.push(...answers),
    always: (answer) => {
      fallback = answer;
    },
    hold: () => {
      const arrived = deferred<TokenRequest>();
      const reply = deferred<Response>();
      const drop = () => reply.reject(broken());
      open.add(drop);
      queue.push((request) => {
        arrived.resolve(request);
        request.signal?.addEventListener("abort", () => reply.reject(request.signal?.reason));
        return reply.promise;
      });
      return { arrived: arrived.promise, answer: reply.resolve, drop };
    },
    reached: (count) => {
      if (requests.length >= count) return Promise.resolve();
      return new Promise((resolve) => waiting.push({ count, resolve }));
    },
    end: () => {
      for (const drop of open) drop();
    },
    fetch: async (url, init) => {
      const request = read(url, init);
      requests.push(request);
      for (const { resolve } of waiting.filter(({ count }) => count <= requests.length)) resolve();
      return await (queue.shift() ?? fallback)(request);
    },
  };
}

/** `Promise.withResolvers`, which Node 20 lacks. */
function deferred<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  promise.catch(() => {});
  return { promise, resolve, reject };
}

function read(url: string, init: RequestInit): TokenRequest {
  const headers = new Headers(init.headers);
  const body = String(init.body ?? "");
  const isJson = headers.get("content-type")?.includes("json") ?? body.startsWith("{");
  return {
    url,
    headers,
    fields: isJson ? JSON.parse(body) : Object.fromEntries(new URLSearchParams(body)),
    signal: init.signal ?? undefined,
  };
}
