/**
 * Asks an npm registry, politely: at a steady pace, by name (`User-Agent`), few at a time, again after a
 * pause where it has trouble, and not before it wants to be asked again. Redirects are followed by
 * hand, since each may lead elsewhere; where that is decides {@link AddressRule}.
 */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Dns from "node:dns"
import * as Retry from "../../protocol/core/Retry.ts"
import { TARBALL_MAX_BYTES } from "../../protocol/registry/Release.ts"
import * as AddressRule from "./AddressRule.ts"
import * as HttpExchange from "./HttpExchange.ts"
import * as Pace from "./Pace.ts"
import * as Failure from "./RegistryFailure.ts"

/** Bytes of all that a registry says of one package, uncompressed. The largest on npm have some 30 MB. */
export const PACKUMENT_MAX_BYTES = 64 * 1024 * 1024

/** Bytes of a registry's list of keys; npm's has 1 kB. */
const KEYS_MAX_BYTES = 1024 * 1024

/** Redirects that are followed, one after another. */
export const REDIRECTS_MAX = 5

/** A registry that asks for a longer rest than this is not waited for. */
export const REST_MAX_MS = 120_000

const RETRY: Retry.Pauses & { readonly maxTries: number } = {
  base: "1 second",
  factor: 2,
  maxPause: "30 seconds",
  maxTries: 5
}

const REDIRECTS = new Set([301, 302, 303, 307, 308])

/** Where no size is told: what is refused is refused again when it is fetched, and told then. */
const SIZELESS = [401, 403, 404, 405, 410, 451, 501]

/** The abbreviated form: what an install needs, a tenth of the whole. */
const ABBREVIATED = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*"
const FULL = "application/json"

export interface Options {
  /** As {@link parse} gives it. */
  readonly registry: URL
  /** Requests a second. */
  readonly rate: number
  /** Connections to one host. */
  readonly concurrency: number
  readonly userAgent: string
  /** For each answer but tarballs, from its request to its last byte; and for the look-up of the registry's address. */
  readonly limit: Duration.Input
}

/** What a registry says, as JSON. */
export interface Said {
  readonly json: unknown
  /** Of its text, uncompressed. */
  readonly bytes: number
}

export interface RegistryClient {
  /** Ends with a slash. */
  readonly registry: string
  /** What the registry says of a name; `None` where it has no such package. */
  readonly packument: (
    name: string,
    form: "abbreviated" | "full"
  ) => Effect.Effect<Option.Option<Said>, Failure.RegistryFailure>
  /**
   * The bytes at a URL that the registry gave. Of those that are larger than {@link HttpExchange.SMALL_BYTES}
   * there is one in memory at a time: until the scope of whoever asked for it closes.
   */
  readonly tarball: (url: string) => Effect.Effect<Uint8Array, Failure.RegistryFailure, Scope.Scope>
  /** How many bytes there would be, as far as the server says so. */
  readonly size: (url: string) => Effect.Effect<Option.Option<number>, Failure.RegistryFailure>
  /** The keys that the registry signs with; `None` where it has no such list. */
  readonly keys: Effect.Effect<Option.Option<Said>, Failure.RegistryFailure>
}

/** The registry's address, ending with a slash. */
export const parse = (text: string): Effect.Effect<URL, Failure.RegistryFailure> => {
  const refuse = (problem: string) => Failure.fail(new Failure.InvalidRegistry({ registry: text, problem }))
  if (!URL.canParse(text)) return Effect.fail(refuse("it is no URL"))
  const url = new URL(text)
  if (url.protocol !== "https:" && url.protocol !== "http:") return Effect.fail(refuse("only http and https will do"))
  if (url.username !== "" || url.password !== "") return Effect.fail(refuse("it has a user name or a password in it"))
  if (url.search !== "" || url.hash !== "") return Effect.fail(refuse("it has a query or a fragment"))
  if (!url.pathname.endsWith("/")) url.pathname += "/"
  return Effect.succeed(url)
}

/** What kinds of networks the registry itself is in. */
const reachesOf = Effect.fnUntraced(function* (registry: URL, limit: Duration.Input) {
  const literal = AddressRule.literalOf(registry)
  if (literal !== undefined) return new Set([AddressRule.reachOf(literal)])
  const unknown = (problem: string) => Failure.fail(new Failure.RegistryUnreachable({ url: registry.href, problem }))
  const addresses = yield* Effect.tryPromise({
    try: () => Dns.promises.lookup(registry.hostname, { all: true }),
    catch: (error) => unknown(String(error))
  }).pipe(Effect.timeoutOrElse({ duration: limit, orElse: () => Effect.fail(unknown("nobody tells its address")) }))
  return new Set(addresses.map(({ address }) => AddressRule.reachOf(address)))
})

const parseJson = (url: URL, body: Uint8Array): Effect.Effect<unknown, Failure.RegistryFailure> =>
  Effect.try({
    try: (): unknown => JSON.parse(new TextDecoder().decode(body)),
    catch: () => Failure.fail(new Failure.InvalidResponse({ url: url.href, problem: "it is not JSON" }))
  })

/** Where `location` leads from `from`. */
const follow = (from: URL, location: string | undefined): Effect.Effect<URL, Failure.RegistryFailure> => {
  if (location === undefined || !URL.canParse(location, from.href)) {
    const problem = "it redirects to nowhere"
    return Effect.fail(Failure.fail(new Failure.InvalidResponse({ url: from.href, problem })))
  }
  const to = new URL(location, from)
  return from.protocol === "https:" && to.protocol !== "https:"
    ? Effect.fail(
        Failure.fail(
          new Failure.ForbiddenAddress({ url: to.href, problem: `${from.href} redirects to it without TLS` })
        )
      )
    : Effect.succeed(to)
}

const isTransient = ({ reason }: Failure.RegistryFailure): boolean =>
  reason._tag === "RegistryUnreachable" || (reason._tag === "RegistryRefused" && !reason.isFinal)

/** A client, until the scope closes. */
export const make = Effect.fn("RegistryClient.make")(function* (options: Options) {
  const { limit, registry, userAgent } = options
  const own = yield* reachesOf(registry, limit)
  const exchange = yield* HttpExchange.make({
    lookup: AddressRule.lookupWithin(own),
    connections: options.concurrency
  })
  const pace = Pace.make(options.rate)
  const connections = yield* Semaphore.make(options.concurrency)
  const large = yield* Semaphore.make(1)

  const refuse = (url: URL): Effect.Effect<void, Failure.RegistryFailure> => {
    const forbid = (problem: string) =>
      Effect.fail(Failure.fail(new Failure.ForbiddenAddress({ url: url.href, problem })))
    if (url.protocol !== "https:" && url.protocol !== "http:") return forbid("it is neither http nor https")
    if (url.username !== "" || url.password !== "") return forbid("it has a user name or a password in it")
    const literal = AddressRule.literalOf(url)
    return literal === undefined || AddressRule.isAllowed(literal, own)
      ? Effect.void
      : forbid(`it is a ${AddressRule.reachOf(literal)} address`)
  }

  /** Waits once, and keeps what it waited for until the scope closes. */
  const gateIn = (scope: Scope.Scope) => {
    let isTaken = false
    const take = Effect.acquireRelease(large.take(1), () => large.release(1), { interruptible: true })
    return Effect.suspend(() => {
      if (isTaken) return Effect.void
      isTaken = true
      return Effect.asVoid(Scope.provide(take, scope))
    })
  }

  const refused = Effect.fnUntraced(function* (url: URL, { headers, status }: HttpExchange.Answer) {
    const now = yield* Clock.currentTimeMillis
    const rest = Failure.isPassing(status) ? Pace.retryAfterMs(headers["retry-after"], now) : Option.none()
    if (Option.isSome(rest)) {
      if (rest.value > REST_MAX_MS) {
        return yield* Failure.fail(new Failure.RegistryBusy({ url: url.href, seconds: rest.value / 1000 }))
      }
      yield* pace.rest(rest.value)
    }
    return yield* Failure.fail(new Failure.RegistryRefused({ url: url.href, status }))
  })

  /** The answer at the end of all redirects. Statuses of `expected` are the caller's business. */
  const once = Effect.fnUntraced(function* (asked: HttpExchange.Asked, expected: ReadonlySet<number>) {
    let url = asked.url
    for (let hops = 0; hops <= REDIRECTS_MAX; hops++) {
      yield* refuse(url)
      yield* pace.turn
      const answer = yield* exchange.ask({ ...asked, url })
      if (answer.status === 200 || expected.has(answer.status)) return answer
      if (!REDIRECTS.has(answer.status)) return yield* refused(url, answer)
      url = yield* follow(url, answer.headers.location)
    }
    const problem = `it redirects more than ${REDIRECTS_MAX} times`
    return yield* Failure.fail(new Failure.InvalidResponse({ url: asked.url.href, problem }))
  })

  const ask = (asked: HttpExchange.Asked, expected: ReadonlyArray<number>) =>
    Retry.transient(Effect.scoped(connections.withPermits(1)(once(asked, new Set(expected)))), {
      ...RETRY,
      isTransient
    })

  const getJson = Effect.fnUntraced(function* (
    path: string,
    accept: string,
    max: number,
    absent: ReadonlyArray<number>
  ) {
    const url = new URL(path, registry)
    const headers = { accept, "accept-encoding": "gzip", "user-agent": userAgent }
    const answer = yield* ask({ url, method: "GET", headers, maxBytes: max, limit, gate: Effect.void }, absent)
    if (answer.status !== 200) return Option.none<Said>()
    return Option.some<Said>({ json: yield* parseJson(url, answer.body), bytes: answer.body.length })
  })

  const targetOf = (url: string) =>
    URL.canParse(url, registry.href)
      ? Effect.succeed(new URL(url, registry))
      : Effect.fail(Failure.fail(new Failure.InvalidResponse({ url, problem: "a tarball's address is no URL" })))

  const headers = { accept: "*/*", "accept-encoding": "identity", "user-agent": userAgent }
  const client: RegistryClient = {
    registry: registry.href,
    packument: (name, form) =>
      getJson(name.replace("/", "%2f"), form === "full" ? FULL : ABBREVIATED, PACKUMENT_MAX_BYTES, [404, 410]),
    tarball: Effect.fnUntraced(function* (text) {
      const url = yield* targetOf(text)
      const gate = gateIn(yield* Scope.Scope)
      return (yield* ask({ url, method: "GET", headers, maxBytes: TARBALL_MAX_BYTES, gate }, [])).body
    }),
    size: Effect.fnUntraced(function* (text) {
      const url = yield* targetOf(text)
      const answer = yield* ask({ url, method: "HEAD", headers, maxBytes: 0, limit, gate: Effect.void }, SIZELESS)
      const length = answer.headers["content-length"]
      return answer.status === 200 && length !== undefined && /^\d{1,15}$/.test(length)
        ? Option.some(Number(length))
        : Option.none()
    }),
    keys: getJson("-/npm/v1/keys", FULL, KEYS_MAX_BYTES, [400, 404, 405])
  }
  return client
})
