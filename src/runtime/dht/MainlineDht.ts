/**
 * `Dht` on the BitTorrent Mainline DHT, over UDP.
 *
 * Reads ask the network and never the own copy, which may be stale. Writes go to the nodes that a
 * look-up of the target ended with, so that it is known whether the network holds something newer,
 * and who holds what: BEP 44 nodes refuse a record that they have already.
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
import { type Answer, Dht, type PutReceipt, RIVALS_MAX } from "../../protocol/dht/Dht.ts"
import { CasConflict, DhtError, NoNodes, PutRefused, StaleSeq } from "../../protocol/dht/DhtError.ts"
import type { Salt } from "../../protocol/dht/KeyString.ts"
import * as Record from "../../protocol/dht/Record.ts"
import * as DhtNode from "./DhtNode.ts"
import * as HeardRecords from "./HeardRecords.ts"
import * as NodeSearch from "./NodeSearch.ts"
import { type Place, Places } from "./Places.ts"
import * as PutRound from "./PutRound.ts"

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const fail = (reason: DhtError["reason"]) => Effect.fail(new DhtError({ reason }))

/** A place of a mutable item, with the valid records that are there, newest first. */
interface RecordPlace extends Place {
  readonly heard: ReadonlyArray<HeardRecords.Heard>
  readonly isForeign: boolean
}

const NOBODY: ReadonlySet<string> = new Set()

/** What is there beside the newest record under the same sequence number. */
const rivalsOf = ({ heard: [newest, ...others] }: RecordPlace): ReadonlyArray<Record.Record> =>
  others
    .filter(({ record }) => record.seq === newest?.record.seq)
    .slice(0, RIVALS_MAX)
    .map(({ record }) => record)

/** What else is there, under lower numbers. */
const olderOf = ({ heard: [newest, ...others] }: RecordPlace): ReadonlyArray<Record.Record> =>
  others
    .filter(({ record }) => newest !== undefined && record.seq < newest.record.seq)
    .slice(0, RIVALS_MAX)
    .map(({ record }) => record)

const fromNode = (node: DhtNode.DhtNode, options: DhtNode.Options, ed25519: Ed25519["Service"]): Dht["Service"] => {
  const { client, rpc } = node
  const records = new Places<RecordPlace>()
  const items = new Places<Place>()

  const failWithoutNodes = Effect.suspend(() =>
    client.nodes.count() === 0 ? fail(new NoNodes({ bootstrap: options.bootstrap })) : Effect.void
  )

  const search = (target: Record.Target, onReply: (reply: NodeSearch.Reply) => boolean) =>
    NodeSearch.search(node, target, onReply).pipe(
      Effect.tap(({ answers }) => (answers === 0 ? fail(new NoNodes({ bootstrap: options.bootstrap })) : Effect.void))
    )

  const lookup = Effect.fnUntraced(function* (publicKey: PublicKey, salt: Salt) {
    const target = Record.targetOf(publicKey, salt)
    const key = Hex.encode(target)
    const replies = HeardRecords.collect(publicKey, salt)
    const { closest } = yield* search(target, (reply) => {
      replies.hear(reply)
      return true
    })
    // The socket remembers what it has found valid: most look-ups bring a record that was there before.
    const verifier = { ...ed25519, verify: node.socket.verify }
    const heard = yield* replies.judge(key).pipe(Effect.provideService(Ed25519, verifier))
    const isForeign = yield* replies.isForeign.pipe(Effect.provideService(Ed25519, ed25519))
    const place: RecordPlace = { closest, heard, isForeign, holders: heard[0]?.holders ?? NOBODY }
    records.set(key, yield* Clock.currentTimeMillis, place)
    return place
  })

  /** What the network holds of the record, when it refuses it: a rival, or the record itself. */
  const settle = Effect.fnUntraced(function* (record: Record.Record, round: PutRound.Round, cas: number | undefined) {
    const key = Hex.encode(Record.targetOf(record.publicKey, record.salt))
    const { heard } = yield* lookup(record.publicKey, record.salt)
    // Above `cas` somebody wrote of whom the writer does not know, and nodes that hold nothing would bury it.
    const seqMin = cas === undefined ? record.seq : Math.min(record.seq, cas + 1)
    const rival = heard.some((other) => other.record.seq >= seqMin && !Record.isSame(other.record, record))
    const holders = heard.find((other) => Record.isSame(other.record, record))?.holders ?? NOBODY
    // Nodes that refuse it for a rival that nobody shows may be lying: what others stored still stands.
    if (!rival && holders.size + round.stored.size > 0) return holders
    records.forget(key)
    return round.casMismatch.size > 0 && cas !== undefined
      ? yield* fail(new CasConflict({ target: key, expectedSeq: cas }))
      : yield* fail(new StaleSeq({ target: key, seq: record.seq }))
  })

  const whyNone = (round: PutRound.Round): string =>
    round.problems[0] ?? (round.silent.size > 0 ? "none of them answered" : "none of them takes items")

  /** Nodes are gone, or honour their tokens no longer: the next write has to look again. */
  const isWornOut = ({ problems, silent }: PutRound.Round): boolean => silent.size > 0 || problems.length > 0

  const put = Effect.fnUntraced(function* (record: Record.Record, cas: number | undefined) {
    const target = Record.targetOf(record.publicKey, record.salt)
    const key = Hex.encode(target)
    const known = records.find(key, yield* Clock.currentTimeMillis)
    const place = known ?? (yield* lookup(record.publicKey, record.salt))
    const newest = place.heard[0]
    const isThere = newest !== undefined && Record.isSame(newest.record, record)
    if (newest !== undefined && !isThere) {
      if (cas !== undefined && newest.record.seq !== cas) {
        records.forget(key)
        return yield* fail(new CasConflict({ target: key, expectedSeq: cas }))
      }
      if (newest.record.seq >= record.seq) return yield* fail(new StaleSeq({ target: key, seq: record.seq }))
    }
    const round = yield* PutRound.put(rpc, place.closest, {
      k: asBuffer(record.publicKey),
      salt: asBuffer(record.salt),
      seq: record.seq,
      v: asBuffer(record.value),
      sig: asBuffer(record.signature),
      // Where it is there already it only spreads further: its holders would take `cas` for a conflict.
      ...(cas === undefined || isThere ? {} : { cas })
    })
    const acknowledged = new Set(round.stored)
    const refused = [...round.casMismatch, ...round.seqTooLow]
    const before = isThere ? place.holders : NOBODY
    const unexplained = refused.filter((name) => !before.has(name))
    for (const name of refused) if (before.has(name)) acknowledged.add(name)
    if (unexplained.length > 0) for (const name of yield* settle(record, round, cas)) acknowledged.add(name)
    if (acknowledged.size === 0) {
      records.forget(key)
      return yield* fail(new PutRefused({ target: key, problem: whyNone(round) }))
    }
    const heard = [{ record, holders: acknowledged }]
    if (isWornOut(round)) records.forget(key)
    else records.amend(key, ({ closest, isForeign }) => ({ closest, isForeign, holders: acknowledged, heard }))
    return { target, acks: acknowledged.size } satisfies PutReceipt
  })

  const isItem = (value: unknown, target: Record.Target): value is Buffer =>
    Buffer.isBuffer(value) && Bytes.Equivalence(Record.immutableTargetOf(value), target)

  /** Asks until one node gives the item, or asks all of the closest ones who holds it. */
  const lookupImmutable = Effect.fnUntraced(function* (target: Record.Target, until: "found" | "all") {
    const holders = new Set<string>()
    let found: Uint8Array | undefined
    const { closest, isComplete } = yield* search(target, ({ from, values: { v } }) => {
      if (!isItem(v, target)) return true
      // What the library hands out are views into datagrams.
      found ??= Uint8Array.from(v)
      holders.add(from)
      return until === "all"
    })
    const place: Place = { closest, holders }
    if (isComplete) items.set(Hex.encode(target), yield* Clock.currentTimeMillis, place)
    return { place, value: Option.fromUndefinedOr(found) }
  })

  const putImmutable = Effect.fnUntraced(function* (value: Uint8Array) {
    const target = Record.immutableTargetOf(value)
    const key = Hex.encode(target)
    if (value.length > Record.VALUE_MAX_BYTES) {
      const problem = `${value.length} bytes, over ${Record.VALUE_MAX_BYTES}`
      return yield* fail(new PutRefused({ target: key, problem }))
    }
    const known = items.find(key, yield* Clock.currentTimeMillis)
    const { closest } = known ?? (yield* lookupImmutable(target, "all")).place
    const round = yield* PutRound.put(rpc, closest, { v: asBuffer(value) })
    const acks = round.stored.size
    if (acks === 0 || isWornOut(round)) items.forget(key)
    else items.amend(key, (place) => ({ ...place, holders: round.stored }))
    if (acks === 0) return yield* fail(new PutRefused({ target: key, problem: whyNone(round) }))
    return { target, acks } satisfies PutReceipt
  })

  const answer = <A>(value: Option.Option<A>, holders: ReadonlySet<string>): Answer<A> => ({
    value,
    responders: Option.isSome(value) ? [...holders] : []
  })

  const newestOf = ({ heard }: RecordPlace): Option.Option<Record.Record> => Option.fromUndefinedOr(heard[0]?.record)

  return Dht.of({
    lookup: Effect.fn("Dht.lookup")(function* (publicKey, salt) {
      const place = yield* lookup(publicKey, salt)
      return {
        ...answer(newestOf(place), place.holders),
        rivals: rivalsOf(place),
        older: olderOf(place),
        isForeign: place.isForeign
      }
    }),

    get: Effect.fn("Dht.get")(function* (publicKey, salt) {
      return newestOf(yield* lookup(publicKey, salt))
    }),

    put: Effect.fn("Dht.put")((record, putOptions) => put(record, putOptions?.cas)),

    lookupImmutable: Effect.fn("Dht.lookupImmutable")(function* (target) {
      const { place, value } = yield* lookupImmutable(target, "all")
      return answer(value, place.holders)
    }),

    getImmutable: Effect.fn("Dht.getImmutable")((target) =>
      Effect.map(lookupImmutable(target, "found"), ({ value }) => value)
    ),

    putImmutable: Effect.fn("Dht.putImmutable")(putImmutable),

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
