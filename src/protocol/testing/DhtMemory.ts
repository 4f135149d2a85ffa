/**
 * A `Dht` in memory: one ideal node that everybody reaches, with the rules of BEP 44 for writing
 * (signature, size, seq, cas) and BEP 5 for peers. Several layers over one network are several
 * hosts on it.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { Ed25519 } from "../core/Ed25519.ts"
import * as PeerAddress from "../core/PeerAddress.ts"
import type { PublicKey } from "../core/PublicKey.ts"
import { type Answer, Dht, type Holders, type PutReceipt } from "../dht/Dht.ts"
import { CasConflict, DhtError, PutRefused, StaleSeq } from "../dht/DhtError.ts"
import type { Salt } from "../dht/KeyString.ts"
import * as Record from "../dht/Record.ts"

/** The one node that answers, as evidence names it. */
const RESPONDER = "memory"

/** What the network holds. Tests may look into it and tamper with it: items are verified when they are read. */
export interface Network {
  readonly items: Map<string, Record.Item>
  readonly immutable: Map<string, Uint8Array>
  readonly peers: Map<string, Map<string, PeerAddress.PeerAddress>>
}

/** The one node was asked, and answered. */
const HEARD = { asked: 1, answered: 1 }

const receipt = (target: Record.Target): PutReceipt => ({
  target,
  acks: 1,
  networks: 1,
  asked: 1,
  stored: [RESPONDER],
  refused: [],
  silent: []
})

/** `seq` of what is held. */
const holders = (seq: Option.Option<number>): Holders => ({
  holders: Option.toArray(Option.map(seq, (seq) => ({ node: RESPONDER, seq }))),
  ...HEARD
})

export const make = (): Network => ({ items: new Map(), immutable: new Map(), peers: new Map() })

const fail = (reason: DhtError["reason"]) => Effect.fail(new DhtError({ reason }))

/** A host on the network; its announced peers carry `host` as their address. */
export const layerOn = (network: Network, options?: { readonly host?: string }): Layer.Layer<Dht, never, Ed25519> =>
  Layer.effect(
    Dht,
    Effect.gen(function* () {
      const ed25519 = yield* Ed25519
      const host = options?.host ?? "127.0.0.1"
      const get = (publicKey: PublicKey, salt: Salt) =>
        Effect.sync(() => {
          const target = Hex.encode(Record.targetOf(publicKey, salt))
          const item = network.items.get(target)
          return item === undefined
            ? Option.none<Record.Record>()
            : Result.getSuccess(Record.verifyWith(ed25519, { ...item, publicKey, salt }, target))
        })
      const getImmutable = (target: Record.Target) =>
        Effect.sync(() =>
          Option.filter(Option.fromUndefinedOr(network.immutable.get(Hex.encode(target))), (value) =>
            Bytes.Equivalence(Record.immutableTargetOf(value), target)
          )
        )
      const answer = <A>(value: Option.Option<A>): Answer<A> => ({
        value,
        responders: Option.isSome(value) ? [RESPONDER] : [],
        ...HEARD
      })

      return Dht.of({
        lookup: (publicKey, salt) => Effect.map(get(publicKey, salt), answer),
        get,
        holders: (publicKey, salt) =>
          Effect.map(get(publicKey, salt), (found) => holders(Option.map(found, ({ seq }) => seq))),
        lookupImmutable: (target) => Effect.map(getImmutable(target), answer),
        put: Effect.fnUntraced(function* (record, options) {
          const target = Record.targetOf(record.publicKey, record.salt)
          const key = Hex.encode(target)
          const verified = Record.verifyWith(ed25519, record, key)
          if (Result.isFailure(verified)) return yield* fail(verified.failure)
          const stored = network.items.get(key)
          if (stored !== undefined) {
            if (options?.cas !== undefined && stored.seq !== options.cas) {
              return yield* fail(new CasConflict({ target: key, expectedSeq: options.cas }))
            }
            if (Record.isSame(stored, record)) return receipt(target)
            if (record.seq <= stored.seq) return yield* fail(new StaleSeq({ target: key, seq: record.seq }))
          }
          network.items.set(key, record)
          return receipt(target)
        }),
        getImmutable,
        holdersImmutable: (target) => Effect.map(getImmutable(target), (found) => holders(Option.as(found, 0))),
        putImmutable: Effect.fnUntraced(function* (value) {
          const target = Record.immutableTargetOf(value)
          if (value.length > Record.VALUE_MAX_BYTES) {
            const problem = `${value.length} bytes, over ${Record.VALUE_MAX_BYTES}`
            return yield* fail(new PutRefused({ target: Hex.encode(target), problem }))
          }
          network.immutable.set(Hex.encode(target), value.slice())
          return receipt(target)
        }),
        announcePeer: (infohash, port) =>
          Effect.sync(() => {
            const key = Hex.encode(infohash)
            const known = network.peers.get(key) ?? new Map<string, PeerAddress.PeerAddress>()
            for (const address of Option.toArray(PeerAddress.make(host, port))) known.set(String(address), address)
            network.peers.set(key, known)
            return 1
          }),
        findPeers: (infohash) => Effect.sync(() => [...(network.peers.get(Hex.encode(infohash))?.values() ?? [])]),
        nodeCount: Effect.succeed(1)
      })
    })
  )

/** A network of its own for whoever builds the layer. */
export const layer: Layer.Layer<Dht, never, Ed25519> = Layer.suspend(() => layerOn(make()))
