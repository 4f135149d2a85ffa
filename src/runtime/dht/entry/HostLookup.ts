/**
 * Names of hosts, looked up in the DNS. Nothing that is found is trusted: an address is a node to ask, no more.
 * A name that cannot be found, or not in time, has no addresses.
 */
import * as Effect from "effect/Effect"
import * as Dns from "node:dns"
import { isIpv4 } from "../../../protocol/core/PeerAddress.ts"

/** For one name, in all, in ms. */
const TIMEOUT = "5 seconds"

/** For one question to one server, in ms: one that is lost is asked again in time. */
const QUESTION_TIMEOUT_MS = 2000
const TRIES = 2

export interface HostLookup {
  /** IPv4 addresses of a host; empty when there are none. */
  readonly addresses: (host: string) => Effect.Effect<ReadonlyArray<string>>
  /** The TXT records of a domain; empty when there are none. */
  readonly texts: (domain: string) => Effect.Effect<ReadonlyArray<string>>
}

const NONE: ReadonlyArray<string> = []

const ask = (question: (resolver: Dns.Resolver, done: (answers: ReadonlyArray<string>) => void) => void) =>
  Effect.callback<ReadonlyArray<string>>((resume) => {
    const resolver = new Dns.Resolver({ timeout: QUESTION_TIMEOUT_MS, tries: TRIES })
    question(resolver, (answers) => resume(Effect.succeed(answers)))
    return Effect.sync(() => resolver.cancel())
  })

const resolve4 = (host: string) =>
  ask((resolver, done) => resolver.resolve4(host, (error, found) => done(error === null ? found : NONE)))

/** As the system does it, with its list of hosts: on a thread of the few that also read files, so it comes second. */
const systemLookup = (host: string) =>
  Effect.callback<ReadonlyArray<string>>((resume) => {
    Dns.lookup(host, { family: 4, all: true }, (error, found) =>
      resume(Effect.succeed(error === null ? found.map(({ address }) => address) : NONE))
    )
  })

/** Asks this computer's DNS servers. Strings of one TXT record are joined (RFC 7208 §3.3). */
export const system: HostLookup = {
  addresses: (host) => {
    if (isIpv4(host)) return Effect.succeed([host])
    // Names without a dot are this computer's own, or its network's.
    const found = host.includes(".")
      ? Effect.flatMap(resolve4(host), (first) => (first.length > 0 ? Effect.succeed(first) : systemLookup(host)))
      : systemLookup(host)
    return Effect.timeoutOrElse(found, { duration: TIMEOUT, orElse: () => Effect.succeed(NONE) })
  },
  texts: (domain) =>
    ask((resolver, done) =>
      resolver.resolveTxt(domain, (error, found) =>
        done(error === null ? found.map((strings) => strings.join("")) : NONE)
      )
    ).pipe(Effect.timeoutOrElse({ duration: TIMEOUT, orElse: () => Effect.succeed(NONE) }))
}
