/**
 * One `put` (BEP 44) to each of the nodes that a look-up ended with, and what each of them said.
 * bittorrent-dht's own `put` counts but does not tell apart a node that refuses, since it holds the
 * very same record already, from one that is gone.
 */
import * as Effect from "effect/Effect"
import type { QueryError, Value } from "bittorrent-dht"
import type { Rpc } from "k-rpc"
import { ErrorCode } from "./KrpcMessage.ts"
import { peerName } from "./KrpcTransactions.ts"
import type { StoreNode } from "./NodeSearch.ts"

/** Nodes are named `host:port`. */
export interface Round {
  readonly stored: ReadonlySet<string>
  /** BEP 44 error 301: the node holds another seq than `cas`. */
  readonly casMismatch: ReadonlySet<string>
  /** BEP 44 error 302: the node holds this seq or a later one. */
  readonly seqTooLow: ReadonlySet<string>
  /** Nodes that were silent: their neighbours may have taken their place. */
  readonly silent: ReadonlySet<string>
  /** What the others said, in the order of arrival. */
  readonly problems: ReadonlyArray<string>
}

/** `args` without `id` and `token`. */
export const put = (
  rpc: Rpc,
  nodes: ReadonlyArray<StoreNode>,
  args: { readonly [key: string]: Value }
): Effect.Effect<Round> =>
  Effect.callback((resume) => {
    const round = {
      stored: new Set<string>(),
      casMismatch: new Set<string>(),
      seqTooLow: new Set<string>(),
      silent: new Set<string>(),
      problems: new Array<string>()
    }
    let awaited = nodes.length
    const note = (name: string, error: QueryError | null) => {
      if (error === null) round.stored.add(name)
      else if (error.code === ErrorCode.casMismatch) round.casMismatch.add(name)
      else if (error.code === ErrorCode.seqTooLow) round.seqTooLow.add(name)
      else if (error.code === "ETIMEDOUT") round.silent.add(name)
      else round.problems.push(error.message)
      if (--awaited === 0) resume(Effect.succeed(round))
    }
    if (awaited === 0) return resume(Effect.succeed(round))
    for (const node of nodes) {
      const name = peerName(node.host, node.port)
      rpc.query(node, { q: "put", a: { id: rpc.id, ...args } }, (error) => note(name, error))
    }
  })
