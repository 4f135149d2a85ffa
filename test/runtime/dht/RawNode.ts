/** A node without a client: finds the nodes closest to a target and writes to some of them, past every check. */
import * as Effect from "effect/Effect"
import type * as Bencode from "../../../src/protocol/core/Bencode.ts"
import { Ed25519 } from "../../../src/protocol/core/Ed25519.ts"
import type { StoreNode } from "../../../src/protocol/dht/client/Krpc.ts"
import * as LookUp from "../../../src/protocol/dht/client/LookUp.ts"
import * as NodeId from "../../../src/protocol/dht/client/NodeId.ts"
import * as Session from "../../../src/protocol/dht/client/Session.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import * as DhtNode from "../../../src/runtime/dht/DhtNode.ts"
import * as UdpTransport from "../../../src/runtime/dht/UdpTransport.ts"
import { LOOPBACK } from "./LiveNode.ts"

export interface Writer {
  readonly node: DhtNode.DhtNode
  /** Nodes that can be written to, closest first. */
  readonly closest: ReadonlyArray<StoreNode>
  /** One `put` to each; gives the addresses of those that took it. `args` without `id` and `token`. */
  readonly put: (nodes: ReadonlyArray<StoreNode>, args: Bencode.Dictionary) => Effect.Effect<ReadonlyArray<string>>
}

const placeOf = (address: string): { readonly host: string; readonly port: number } => {
  const place = DhtNode.parseAddress(address)
  if (place === undefined) throw new TypeError(`not an address: ${address}`)
  return place
}

/** Has looked up the place of a record. */
export const make = Effect.fnUntraced(function* (bootstrap: ReadonlyArray<string>, target: Record.Target) {
  const node = yield* DhtNode.make({ host: LOOPBACK, port: 0, bootstrap, readOnly: true })
  const { shared } = Session.make(UdpTransport.make(node), yield* Ed25519)
  const { closest } = yield* LookUp.run(shared, {
    question: { _tag: "Get", target: NodeId.fromBytes(target) },
    onFound: () => "nothing"
  })
  const putOne = ({ address, token }: StoreNode, args: Bencode.Dictionary) =>
    Effect.callback<ReadonlyArray<string>>((resume) => {
      const { host, port } = placeOf(address)
      const put = { method: "put" as const, args: { ...args, id: node.rpc.id, token } }
      node.socket.request(put, host, port, UdpTransport.QUERY_TIMEOUT_MS, (reply) =>
        resume(Effect.succeed(reply?._tag === "Response" ? [address] : []))
      )
    })
  return {
    node,
    closest,
    put: (nodes, args) =>
      Effect.map(
        Effect.forEach(nodes, (each) => putOne(each, args), { concurrency: "unbounded" }),
        (stored) => stored.flat()
      )
  } satisfies Writer
})

/** The arguments of a record's `put`. */
export const argsOf = ({ publicKey, salt, seq, signature, value }: Record.Record): Bencode.Dictionary => ({
  k: publicKey,
  salt,
  seq,
  sig: signature,
  v: value
})

/** Puts a record on the `count` closest nodes alone. */
export const putOn = Effect.fnUntraced(function* (
  bootstrap: ReadonlyArray<string>,
  record: Record.Record,
  count: number
) {
  const writer = yield* make(bootstrap, Record.targetOf(record.publicKey, record.salt))
  return new Set(yield* writer.put(writer.closest.slice(0, count), argsOf(record)))
})
