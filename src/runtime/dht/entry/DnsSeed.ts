/**
 * Nodes that a domain lists: TXT records of the form `dht=<IPv4 address>:<port>`, one or more to a record, apart by
 * spaces. Whoever runs a network of their own, or wants to spare the public routers, can name a domain of theirs;
 * no domain is asked unless it is named.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as PeerAddress from "../../../protocol/core/PeerAddress.ts"
import type { HostLookup } from "./HostLookup.ts"

/** Nodes that are taken from one domain. More would only be asked for nothing. */
export const NODES_MAX = 32

const PREFIX = "dht="

/** What is not of this form is passed over: a domain has other TXT records too. */
export const parse = (texts: ReadonlyArray<string>): ReadonlyArray<string> => {
  const nodes = texts
    .flatMap((text) => text.split(/\s+/))
    .filter((word) => word.startsWith(PREFIX))
    .flatMap((word) => Option.toArray(PeerAddress.parse(word.slice(PREFIX.length))))
    .filter(({ host }) => PeerAddress.reachOf(host) !== "reserved")
    .map(String)
  return [...new Set(nodes)].slice(0, NODES_MAX)
}

/** `host:port` each. */
export const nodesOf = (domain: string, lookup: HostLookup): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(lookup.texts(domain), parse)
