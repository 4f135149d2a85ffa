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
import { Ed25519 } from "../core/Ed25519.ts"
import * as PeerAddress from "../core/PeerAddress.ts"
import { Dht } from "../dht/Dht.ts"
import { CasConflict, DhtError, PutRefused, StaleSeq } from "../dht/DhtError.ts"
import * as Record from "../dht/Record.ts"

/** What the network holds. Tests may look into it and tamper with it: items are verified when they are read. */
export interface Network {
  readonly items: Map<string, Record.Item>
  readonly immutable: Map<string, Uint8Array>
  readonly peers: Map<string, Map<string, PeerAddress.PeerAddress>>
}

export const make = (): Network => ({ items: new Map(), immutable: new Map(), peers: new Map() })

const fail = (reason: DhtError["reason"]) => Effect.fail(new DhtError({ reason }))

/** A host on the network; its announced peers carry `host` as their address. */
export const layerOn = (network: Network, options?: { readonly host?: string }): Layer.Layer<Dht, never, Ed25519> =>
  Layer.effect(
    Dht,
    Effect.gen(function* () {
      const ed25519 = yield* Ed25519
      const host = options?.host ?? "127.0.0.1"
      const verify = (item: Record.Item) =>
        Record.verify(item, Hex.encode(Record.targetOf(item.publicKey, item.salt))).pipe(
          Effect.provideService(Ed25519, ed25519)
        )

      return Dht.of({
        get: Effect.fnUntraced(function* (publicKey, salt) {
          const item = network.items.get(Hex.encode(Record.targetOf(publicKey, salt)))
          if (item === undefined) return Option.none()
          return yield* Effect.option(verify({ ...item, publicKey, salt }))
        }),
        put: Effect.fnUntraced(function* (record, options) {
          const target = Record.targetOf(record.publicKey, record.salt)
          const key = Hex.encode(target)
          yield* verify(record).pipe(Effect.mapError((reason) => new DhtError({ reason })))
          const stored = network.items.get(key)
          if (stored !== undefined) {
            if (options?.cas !== undefined && stored.seq !== options.cas) {
              return yield* fail(new CasConflict({ target: key, expectedSeq: options.cas }))
            }
            if (stored.seq === record.seq && Bytes.Equivalence(stored.value, record.value)) return { target, acks: 1 }
            if (record.seq <= stored.seq) return yield* fail(new StaleSeq({ target: key, seq: record.seq }))
          }
          network.items.set(key, record)
          return { target, acks: 1 }
        }),
        getImmutable: (target) => Effect.sync(() => Option.fromUndefinedOr(network.immutable.get(Hex.encode(target)))),
        putImmutable: Effect.fnUntraced(function* (value) {
          const target = Record.immutableTargetOf(value)
          if (value.length > Record.VALUE_MAX_BYTES) {
            const problem = `${value.length} bytes, over ${Record.VALUE_MAX_BYTES}`
            return yield* fail(new PutRefused({ target: Hex.encode(target), problem }))
          }
          network.immutable.set(Hex.encode(target), value.slice())
          return { target, acks: 1 }
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
