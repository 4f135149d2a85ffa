/**
 * `Dht` on the BitTorrent Mainline DHT, by bittorrent-dht over UDP.
 *
 * Reads ask the network and never the own copy, which may be stale. Writes look the target up
 * first, unless that was done a moment ago: the library would otherwise write to a remembered,
 * possibly empty table, and we would not know whether the network holds something newer.
 */
import * as Bytes from "effect/Bytes"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Ed25519 } from "../../protocol/core/Ed25519.ts"
import type { Infohash } from "../../protocol/core/Infohash.ts"
import * as PeerAddress from "../../protocol/core/PeerAddress.ts"
import type { PublicKey } from "../../protocol/core/PublicKey.ts"
import { RecentMap } from "../../protocol/core/RecentMap.ts"
import { Dht, type PutReceipt } from "../../protocol/dht/Dht.ts"
import { CasConflict, DhtError, InvalidReply, NoNodes, PutRefused, StaleSeq } from "../../protocol/dht/DhtError.ts"
import type { Salt } from "../../protocol/dht/KeyString.ts"
import * as Record from "../../protocol/dht/Record.ts"
import type { Item, PutImmutable, PutMutable, QueryError } from "bittorrent-dht"
import * as DhtNode from "./DhtNode.ts"

/** How long the nodes and tokens of a look-up serve for writes, in ms. Nodes honour tokens for at least five minutes. */
const LOOKUP_FRESH_MS = 60_000

/** Look-ups remembered for writes. */
const LOOKUPS_MAX = 512

/** KRPC error codes of BEP 44. */
const CAS_MISMATCH = 301
const SEQ_NOT_NEWER = 302

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const fail = (reason: DhtError["reason"]) => Effect.fail(new DhtError({ reason }))

/** Bytes of their own: what the library hands out are views into datagrams. */
const owned = (bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes)

interface Seen {
  readonly at: number
  readonly record: Option.Option<Record.Record>
}

const fromNode = (node: DhtNode.DhtNode, options: DhtNode.Options, ed25519: Ed25519["Service"]): Dht["Service"] => {
  const { client } = node
  const lookups = new RecentMap<string, Seen>(LOOKUPS_MAX)

  const failWithoutNodes = Effect.suspend(() =>
    client.nodes.count() === 0 ? fail(new NoNodes({ bootstrap: options.bootstrap })) : Effect.void
  )

  const ask = (target: Record.Target, salt?: Uint8Array) =>
    Effect.callback<Option.Option<Item>, DhtError>((resume) => {
      client.get(target, { cache: false, ...(salt === undefined ? {} : { salt }) }, (error, item) => {
        if (error === null || error === undefined) return resume(Effect.succeed(Option.fromNullishOr(item)))
        resume(fail(new InvalidReply({ target: Hex.encode(target), problem: error.message })))
      })
    })

  const toRecord = (item: Item, publicKey: PublicKey, salt: Salt, key: string) =>
    Buffer.isBuffer(item.v) && item.sig !== undefined && item.seq !== undefined
      ? Record.verify({ publicKey, salt, seq: item.seq, value: owned(item.v), signature: owned(item.sig) }, key).pipe(
          // The socket has verified these very bytes on their way in and remembers its verdict.
          Effect.provideService(Ed25519, { ...ed25519, verify: node.socket.verify }),
          Effect.option
        )
      : Effect.succeedNone

  const lookup = Effect.fnUntraced(function* (publicKey: PublicKey, salt: Salt) {
    const target = Record.targetOf(publicKey, salt)
    const key = Hex.encode(target)
    const item = yield* ask(target, salt)
    const record = Option.isSome(item) ? yield* toRecord(item.value, publicKey, salt, key) : Option.none()
    if (Option.isNone(record)) yield* failWithoutNodes
    lookups.set(key, { at: yield* Clock.currentTimeMillis, record })
    return record
  })

  /** Makes sure that there are nodes and tokens for the target; gives the record that was seen there. */
  const prepare = Effect.fnUntraced(function* (record: Record.Record, key: string) {
    const known = lookups.get(key)
    const now = yield* Clock.currentTimeMillis
    return known !== undefined && now - known.at < LOOKUP_FRESH_MS
      ? known.record
      : yield* lookup(record.publicKey, record.salt)
  })

  const send = (item: PutMutable | PutImmutable) =>
    Effect.callback<number, QueryError>((resume) => {
      client.put(item, (error, _target, stored) =>
        resume(error === null || error === undefined ? Effect.succeed(stored ?? 0) : Effect.fail(error))
      )
    })

  const onRefused = Effect.fnUntraced(function* (error: QueryError, record: Record.Record, cas: number | undefined) {
    const target = Record.targetOf(record.publicKey, record.salt)
    const key = Hex.encode(target)
    lookups.delete(key)
    if (error.code === CAS_MISMATCH) {
      return yield* fail(new CasConflict({ target: key, expectedSeq: cas ?? record.seq }))
    }
    if (error.code !== SEQ_NOT_NEWER) return yield* fail(new PutRefused({ target: key, problem: error.message }))
    // 302 is also the answer to the very record that is there already, and then all is well.
    const stored = yield* lookup(record.publicKey, record.salt)
    if (
      Option.isSome(stored) &&
      stored.value.seq === record.seq &&
      Bytes.Equivalence(stored.value.value, record.value)
    ) {
      return { target, acks: 1 } satisfies PutReceipt
    }
    return yield* fail(new StaleSeq({ target: key, seq: record.seq }))
  })

  return Dht.of({
    get: Effect.fn("Dht.get")(lookup),

    put: Effect.fn("Dht.put")(function* (record, putOptions) {
      const target = Record.targetOf(record.publicKey, record.salt)
      const key = Hex.encode(target)
      const cas = putOptions?.cas
      const seen = Option.getOrUndefined(yield* prepare(record, key))
      if (seen !== undefined) {
        const isSame = seen.seq === record.seq && Bytes.Equivalence(seen.value, record.value)
        if (cas !== undefined && seen.seq !== cas && !isSame) {
          lookups.delete(key)
          return yield* fail(new CasConflict({ target: key, expectedSeq: cas }))
        }
        if (seen.seq >= record.seq && !isSame) return yield* fail(new StaleSeq({ target: key, seq: record.seq }))
      }
      return yield* send({
        k: asBuffer(record.publicKey),
        salt: asBuffer(record.salt),
        seq: record.seq,
        v: asBuffer(record.value),
        sig: asBuffer(record.signature),
        ...(cas === undefined ? {} : { cas })
      }).pipe(
        Effect.matchEffect({
          onFailure: (error) => onRefused(error, record, cas),
          onSuccess: (acks) =>
            Effect.map(Clock.currentTimeMillis, (at) => {
              lookups.set(key, { at, record: Option.some(record) })
              return { target, acks } satisfies PutReceipt
            })
        })
      )
    }),

    getImmutable: Effect.fn("Dht.getImmutable")(function* (target) {
      const item = yield* ask(target)
      if (Option.isNone(item)) yield* failWithoutNodes
      return Option.flatMap(item, ({ v }) =>
        Buffer.isBuffer(v) && Bytes.Equivalence(Record.immutableTargetOf(v), target)
          ? Option.some(owned(v))
          : Option.none()
      )
    }),

    putImmutable: Effect.fn("Dht.putImmutable")(function* (value) {
      const target = Record.immutableTargetOf(value)
      const key = Hex.encode(target)
      if (value.length > Record.VALUE_MAX_BYTES) {
        const problem = `${value.length} bytes, over ${Record.VALUE_MAX_BYTES}`
        return yield* fail(new PutRefused({ target: key, problem }))
      }
      yield* ask(target)
      yield* failWithoutNodes
      const acks = yield* send({ v: asBuffer(value) }).pipe(
        Effect.catch((error) => fail(new PutRefused({ target: key, problem: error.message })))
      )
      return { target, acks } satisfies PutReceipt
    }),

    announcePeer: Effect.fn("Dht.announcePeer")(function* (infohash, port) {
      yield* findPeers(infohash)
      yield* failWithoutNodes
      return yield* Effect.callback<number, DhtError>((resume) => {
        client.announce(infohash, port, (error, acks) =>
          resume(
            error === null || error === undefined
              ? Effect.succeed(acks ?? 0)
              : fail(new PutRefused({ target: Hex.encode(infohash), problem: error.message }))
          )
        )
      })
    }),

    findPeers: Effect.fn("Dht.findPeers")(function* (infohash) {
      const peers = yield* findPeers(infohash)
      if (peers.length === 0) yield* failWithoutNodes
      return peers
    }),

    nodeCount: Effect.sync(() => client.nodes.count())
  })

  function findPeers(infohash: Infohash): Effect.Effect<ReadonlyArray<PeerAddress.PeerAddress>> {
    return Effect.callback((resume) => {
      const found = new Map<string, PeerAddress.PeerAddress>()
      const onPeer = (peer: { readonly host: string; readonly port: number }, of: Buffer) => {
        if (!Bytes.Equivalence(of, infohash)) return
        for (const address of Option.toArray(PeerAddress.make(peer.host, peer.port)))
          found.set(String(address), address)
      }
      client.on("peer", onPeer)
      const abort = client.lookup(infohash, () => {
        client.off("peer", onPeer)
        resume(Effect.succeed([...found.values()]))
      })
      return Effect.sync(() => {
        client.off("peer", onPeer)
        abort()
      })
    })
  }
}

export interface Options<R = never> extends DhtNode.Options {
  /** Told of the nodes in the routing table (`host:port`) before the node closes. */
  readonly onClose?: ((nodes: ReadonlyArray<string>) => Effect.Effect<void, never, R>) | undefined
}

/** A node of its own on the Mainline DHT, until the scope closes. Fails with `SocketFailed` when the address cannot be bound. */
export const layer = <R = never>(options: Options<R>): Layer.Layer<Dht, DhtError, Ed25519 | R> =>
  Layer.effect(
    Dht,
    Effect.gen(function* () {
      const ed25519 = yield* Ed25519
      const node = yield* DhtNode.make(options)
      const { onClose } = options
      if (onClose !== undefined) {
        yield* Effect.addFinalizer(() =>
          Effect.suspend(() => onClose(node.client.nodes.toArray().map(({ host, port }) => `${host}:${port}`)))
        )
      }
      return fromNode(node, options, ed25519)
    })
  )
