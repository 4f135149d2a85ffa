/**
 * What a DHT client counts, as Effect metrics: queries and what came of them, how long they took, how many nodes took
 * a put and agreed in a look-up. Names and units follow the conventions of Prometheus.
 */
import * as Metric from "effect/Metric"
import type { Question } from "./client/Krpc.ts"

/** The method of a question on the wire (BEP 5, BEP 44). */
export type Method = "find_node" | "get" | "get_peers" | "put" | "announce_peer"

export const methodOf = ({ _tag }: Question): Method => {
  switch (_tag) {
    case "FindNode":
      return "find_node"
    case "Get":
      return "get"
    case "GetPeers":
      return "get_peers"
    case "PutImmutable":
    case "PutMutable":
      return "put"
    case "AnnouncePeer":
      return "announce_peer"
  }
}

/** What became of a query. */
export type QueryOutcome = "reply" | "error" | "timeout" | "unsent"

const queriesTotal = Metric.counter("libreseed_dht_queries_total", {
  description: "Queries sent to DHT nodes",
  incremental: true
})
const outcomesTotal = Metric.counter("libreseed_dht_query_outcomes_total", {
  description: "Queries by what became of them: a reply, an error, nothing in time, or that they could not leave",
  incremental: true
})

const ofMethods = <A>(make: (method: Method) => A): { readonly [M in Method]: A } => ({
  find_node: make("find_node"),
  get: make("get"),
  get_peers: make("get_peers"),
  put: make("put"),
  announce_peer: make("announce_peer")
})

/** By method. */
export const queries = ofMethods((method) => Metric.withAttributes(queriesTotal, { method }))

/** By method and outcome. */
export const outcomes = ofMethods((method) => ({
  reply: Metric.withAttributes(outcomesTotal, { method, outcome: "reply" }),
  error: Metric.withAttributes(outcomesTotal, { method, outcome: "error" }),
  timeout: Metric.withAttributes(outcomesTotal, { method, outcome: "timeout" }),
  unsent: Metric.withAttributes(outcomesTotal, { method, outcome: "unsent" })
}))

/** Seconds from a query to its answer. */
export const roundTrip = Metric.histogram("libreseed_dht_round_trip_seconds", {
  description: "Time from a query to its answer",
  boundaries: [0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2]
})

/** Seconds that a whole look-up took. */
export const lookupSeconds = Metric.histogram("libreseed_dht_lookup_seconds", {
  description: "Time that a look-up took",
  boundaries: [0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]
})

/** Nodes that held an item after a put. */
export const putAcks = Metric.histogram("libreseed_dht_put_acks", {
  description: "Nodes that acknowledged a put",
  boundaries: [0, 1, 2, 4, 8, 12, 16, 20, 40]
})

/** Nodes that gave the newest record of a look-up. */
export const getAgreement = Metric.histogram("libreseed_dht_get_agreement", {
  description: "Nodes that gave the newest record, of a look-up that found one",
  boundaries: [1, 2, 4, 8, 12, 16, 20, 40]
})

/** Look-ups that were heard by too few nodes, or by none. */
export const getUnheard = Metric.counter("libreseed_dht_get_unheard_total", {
  description: "Look-ups that too few nodes answered to say anything",
  incremental: true
})

/** Look-ups that found nothing where enough nodes answered to say so. */
export const getMisses = Metric.counter("libreseed_dht_get_misses_total", {
  description: "Look-ups that found nothing",
  incremental: true
})
