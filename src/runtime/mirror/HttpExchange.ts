/**
 * One request and its answer over HTTP/1.1: no redirect followed, no try made again. Made of Node's
 * own client, because that alone lets us see the addresses of a name before it connects to one. The
 * answer is read with a cap on its bytes, before and after decompression, and has to keep arriving.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import * as Https from "node:https"
import type * as Net from "node:net"
import { pipeline, type Readable } from "node:stream"
import * as Zlib from "node:zlib"
import * as AddressRule from "./AddressRule.ts"
import * as Failure from "./RegistryFailure.ts"

/** How long nothing may arrive: an answer's head, or the next bytes of its body. */
const STALL = "30 seconds"

/** After the grace a body has to have come at this rate on average, in bytes a second: less is no transfer, but a trap. */
const RATE_MIN = 1024
const RATE_GRACE_MS = 30_000

/** Bytes of a body that need no permission of the gate. */
export const SMALL_BYTES = 16 * 1024 * 1024

/** An answer's head may have so many bytes; npm's has under 2 kB. */
const HEADERS_MAX_BYTES = 32 * 1024

export interface Asked {
  readonly url: URL
  readonly method: "GET" | "HEAD"
  readonly headers: Readonly<Record<string, string>>
  /** Bytes of the body, as it is after decompression. */
  readonly maxBytes: number
  /** From the request to the last byte; tarballs have the time that whoever asks for them gives. */
  readonly limit?: Duration.Input
  /** Waited for before more than {@link SMALL_BYTES} are read; what it takes goes with the scope. */
  readonly gate: Effect.Effect<void, never, Scope.Scope>
}

export interface Answer {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  /** Empty unless the status is 200. */
  readonly body: Uint8Array
}

export interface Exchange {
  readonly ask: (asked: Asked) => Effect.Effect<Answer, Failure.RegistryFailure, Scope.Scope>
}

const reasonOf = (url: URL, error: unknown): Failure.RegistryFailure => {
  const problem = error instanceof Error ? error.message : String(error)
  const isForbidden = error instanceof Error && "code" in error && error.code === AddressRule.FORBIDDEN_CODE
  return Failure.fail(
    isForbidden
      ? new Failure.ForbiddenAddress({ url: url.href, problem })
      : new Failure.RegistryUnreachable({ url: url.href, problem: problem === "" ? "no connection" : problem })
  )
}

const stalled = (url: URL) =>
  Effect.fail(Failure.fail(new Failure.RegistryUnreachable({ url: url.href, problem: "it stopped answering" })))

const tooLarge = (url: URL, max: number) => Failure.fail(new Failure.ResponseTooLarge({ url: url.href, max }))

const lengthOf = (headers: Http.IncomingHttpHeaders): number | undefined => {
  const text = headers["content-length"]
  return text === undefined || !/^\d{1,15}$/.test(text) ? undefined : Number(text)
}

/** The head of the answer; the connection goes with the scope where the body was not read. */
const begin = (request: () => Http.ClientRequest, { method, url }: Asked) =>
  Effect.acquireRelease(
    Effect.callback<Http.IncomingMessage, Failure.RegistryFailure>((resume) => {
      const sent = request()
      sent.on("error", (error) => resume(Effect.fail(reasonOf(url, error))))
      sent.on("response", (response) => {
        // Told to whoever reads; without a listener one that nobody reads would end the process.
        response.on("error", () => {})
        // What is not read has to be gone before the connection can serve again.
        if (method === "HEAD" || response.statusCode !== 200) response.resume()
        resume(Effect.succeed(response))
      })
      sent.end()
      return Effect.sync(() => sent.destroy())
    }),
    (response) => Effect.sync(() => void (response.complete || response.destroy())),
    { interruptible: true }
  ).pipe(Effect.timeoutOrElse({ duration: STALL, orElse: () => stalled(url) }))

/** npm's registry compresses what it says of packages; tarballs are asked for as they are. */
const decoded = (response: Http.IncomingMessage, url: URL): Effect.Effect<Readable, Failure.RegistryFailure> => {
  const encoding = response.headers["content-encoding"]?.trim().toLowerCase() ?? "identity"
  if (encoding === "identity") return Effect.succeed(response)
  if (encoding === "gzip" || encoding === "x-gzip") {
    // Errors of the source end the target, and that is read.
    return Effect.sync(() => pipeline(response, Zlib.createGunzip(), () => {}))
  }
  const problem = `it is encoded as ${JSON.stringify(encoding)}, which was not asked for`
  return Effect.fail(Failure.fail(new Failure.InvalidResponse({ url: url.href, problem })))
}

const readBody = Effect.fnUntraced(function* (response: Http.IncomingMessage, { gate, headers, maxBytes, url }: Asked) {
  const length = lengthOf(response.headers)
  if (length !== undefined && length > maxBytes) return yield* tooLarge(url, maxBytes)
  // A tarball that a server calls compressed is compressed by itself: its hash is that of these bytes.
  const source = headers["accept-encoding"] === "gzip" ? yield* decoded(response, url) : response
  const chunks = source.iterator({ destroyOnReturn: true })
  const next = Effect.tryPromise({
    try: (): Promise<IteratorResult<unknown>> => chunks.next(),
    catch: (error) => reasonOf(url, error)
  }).pipe(Effect.timeoutOrElse({ duration: STALL, orElse: () => stalled(url) }))
  let started = yield* Clock.currentTimeMillis
  let isLarge = false
  let received = 0
  const parts: Array<Uint8Array> = []
  const check = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const elapsed = now - started
    if (elapsed > RATE_GRACE_MS && received < (elapsed / 1000) * RATE_MIN) return yield* stalled(url)
    if (isLarge || Math.max(received, length ?? 0) <= SMALL_BYTES) return
    isLarge = true
    yield* gate
    started += (yield* Clock.currentTimeMillis) - now
  })
  for (yield* check; ; yield* check) {
    const { done, value } = yield* next
    if (done === true) break
    if (!(value instanceof Uint8Array)) continue
    received += value.length
    if (received > maxBytes) return yield* tooLarge(url, maxBytes)
    parts.push(value)
  }
  return new Uint8Array(Buffer.concat(parts))
})

/** Connections that are kept open between requests until the scope closes, at most `connections` to a host. */
export const make = Effect.fnUntraced(function* (options: {
  readonly lookup: Net.LookupFunction
  readonly connections: number
}) {
  const agentOptions = { keepAlive: true, maxSockets: options.connections }
  const agents = yield* Effect.acquireRelease(
    Effect.sync(() => ({ http: new Http.Agent(agentOptions), https: new Https.Agent(agentOptions) })),
    ({ http, https }) =>
      Effect.sync(() => {
        http.destroy()
        https.destroy()
      })
  )
  const exchange = Effect.fnUntraced(function* (asked: Asked) {
    const { headers, method, url } = asked
    const common = { method, headers, lookup: options.lookup, maxHeaderSize: HEADERS_MAX_BYTES }
    const request = () =>
      url.protocol === "https:"
        ? Https.request(url, { ...common, agent: agents.https })
        : Http.request(url, { ...common, agent: agents.http })
    const response = yield* begin(request, asked)
    const status = response.statusCode ?? 0
    const body = status === 200 && method === "GET" ? yield* readBody(response, asked) : new Uint8Array()
    return { status, headers: response.headers, body } satisfies Answer
  })
  const ask = Effect.fn("HttpExchange.ask")((asked: Asked) => {
    const { limit, url } = asked
    if (limit === undefined) return exchange(asked)
    const seconds = Duration.toSeconds(Duration.fromInputUnsafe(limit))
    const orElse = () => Effect.fail(Failure.fail(new Failure.RegistrySlow({ url: url.href, seconds })))
    return Effect.timeoutOrElse(exchange(asked), { duration: limit, orElse })
  })
  return { ask } satisfies Exchange
})
