/**
 * The swarm of a simulation: every host offers and fetches torrents over {@link Streams}, under the
 * weather and with its bandwidth. What a host offers is its process's: it is gone with the process, and
 * a new one offers anew. Hosts can be made to give wrong bytes, or none.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Infohash from "../../core/Infohash.ts"
import { PeerAddress } from "../../core/PeerAddress.ts"
import { Dht } from "../../dht/Dht.ts"
import { DhtError, PutRefused } from "../../dht/DhtError.ts"
import type { Content } from "../../swarm/Content.ts"
import { Swarm } from "../../swarm/Swarm.ts"
import { ContentDamaged, SwarmError } from "../../swarm/SwarmError.ts"
import { pieceCount, type Torrent } from "../../swarm/Torrent.ts"
import type { Chance } from "./Chance.ts"
import * as ModelDownload from "./streams/ModelDownload.ts"
import type { Ground, Member } from "./Nodes.ts"
import { type Answer, language, type PeerTalk, type Question } from "./streams/PeerTalk.ts"
import { type Answerer, type Behaviour, PORT, Streams } from "./streams/Streams.ts"

export interface Options {
  /** Between look-ups of peers, while a download has too few. Default 5 s. */
  readonly lookupInterval?: Duration.Input | undefined
  /** For how long a peer may owe a piece without sending anything. Default 8 s. */
  readonly requestTimeout?: Duration.Input | undefined
}

const LOOKUP_INTERVAL = Duration.seconds(5)
const REQUEST_TIMEOUT = Duration.seconds(8)
const ANNOUNCE_INTERVAL = Duration.minutes(15)

/** Of the pieces that a corrupt peer sends, and of its info dictionaries. One piece at least is always wrong. */
const LIES_SHARE = 0.5

interface Offer {
  readonly torrent: Torrent
  readonly content: Content
}

/** By infohash (hex); the first of several of one torrent is served. */
type Offers = Map<string, ReadonlyArray<Offer>>

const swarmError = (reason: SwarmError["reason"]) => new SwarmError({ reason })

/** With one bit flipped, or without the last byte. */
const spoilt = (bytes: Uint8Array, chance: Chance): Uint8Array => {
  if (bytes.length > 1 && chance.is(1 / 4)) return bytes.slice(0, -1)
  const out = bytes.slice()
  const at = chance.below(out.length)
  out[at] = (out[at] ?? 0) ^ (1 << chance.below(8))
  return out
}

const announce = Effect.fnUntraced(function* (dht: Dht["Service"], infohash: Infohash.Infohash) {
  const acks = yield* dht.announcePeer(infohash, PORT).pipe(Effect.mapError(swarmError))
  if (acks > 0) return
  const target = Infohash.toHex(infohash)
  const reason = new PutRefused({ target, problem: "none acknowledged that this node serves the torrent" })
  return yield* swarmError(new DhtError({ reason }))
})

const failIfDamaged = Effect.fnUntraced(function* ({ content, torrent }: Offer) {
  for (let piece = 0; piece < pieceCount(torrent); piece++) {
    const bytes = yield* ModelDownload.readPiece(torrent, content, piece).pipe(Effect.mapError(swarmError))
    if (ModelDownload.isTrue(torrent, piece, bytes)) continue
    return yield* swarmError(new ContentDamaged({ infohash: Infohash.toHex(torrent.infohash), piece }))
  }
})

/** Keeps an offer until the scope closes. */
const keep = (offers: Offers, offer: Offer) => {
  const key = Infohash.toHex(offer.torrent.infohash)
  return Effect.acquireRelease(
    Effect.sync(() => offers.set(key, [...(offers.get(key) ?? []), offer])),
    () =>
      Effect.sync(() => {
        const others = (offers.get(key) ?? []).filter((other) => other !== offer)
        if (others.length === 0) offers.delete(key)
        else offers.set(key, others)
      })
  )
}

/** All peers of one simulation. */
export class Peers {
  /** What the peers' bytes move over; other talk of the same hosts shares it. */
  readonly streams: Streams
  readonly #talk: PeerTalk
  readonly #ground: Ground

  constructor(ground: Ground) {
    this.#ground = ground
    this.streams = new Streams(ground)
    this.#talk = this.streams.talk(language)
  }

  /** How a host treats those who fetch from it, from now on. */
  behave(hostName: string, behaviour: Behaviour): void {
    this.streams.behave(hostName, behaviour)
  }

  /** What a host sends, and what it receives, in bytes per second from now on. */
  bandwidth(hostName: string, bytesPerSecond: number): void {
    this.streams.links.bandwidth(hostName, bytesPerSecond)
  }

  /** The swarm as one process of a host uses it. Its `Dht` has to announce it under the member's address. */
  swarm(member: Member, options: Options = {}): Layer.Layer<Swarm, never, Dht> {
    return Layer.effect(
      Swarm,
      Effect.gen({ self: this }, function* () {
        const dht = yield* Dht
        const offers: Offers = new Map()
        yield* Effect.acquireRelease(
          Effect.sync(() => this.#talk.listen(member, this.#answerer(member, offers))),
          (unlisten) => Effect.sync(unlisten)
        )
        const download: ModelDownload.Options = {
          talk: this.#talk,
          member,
          dht,
          lookupInterval: Duration.fromInputUnsafe(options.lookupInterval ?? LOOKUP_INTERVAL),
          requestTimeoutMs: Duration.toMillis(options.requestTimeout ?? REQUEST_TIMEOUT),
          now: () => this.#ground.kernel.now
        }
        return Swarm.of({
          address: new PeerAddress({ host: member.host, port: PORT }),
          seed: Effect.fnUntraced(function* (torrent, content) {
            const offer = { torrent, content }
            yield* failIfDamaged(offer)
            yield* keep(offers, offer)
            yield* announce(dht, torrent.infohash)
            const again = Effect.ignore(announce(dht, torrent.infohash))
            yield* Effect.forkScoped(Effect.schedule(again, Schedule.jittered(Schedule.spaced(ANNOUNCE_INTERVAL))))
          }),
          download: (request) => ModelDownload.run(download, request)
        })
      })
    )
  }

  #answerer({ name, process }: Member, offers: Offers): Answerer<Question, Answer> {
    return (question, reply) => {
      const { infohash } = question
      const offer = offers.get(infohash)?.[0]
      const nothingToStop = () => undefined
      if (offer === undefined) {
        reply(undefined)
        return nothingToStop
      }
      const { content, torrent } = offer
      const isCorrupt = this.streams.behaviourOf(name) === "corrupt"
      switch (question._tag) {
        case "Hello":
          reply({ _tag: "Hello" })
          return nothingToStop
        case "Info":
          reply({ _tag: "Info", info: isCorrupt ? this.#corruptInfo(name, torrent) : torrent.info })
          return nothingToStop
        case "Piece": {
          const { piece } = question
          return process.fork(ModelDownload.readPiece(torrent, content, piece), (exit) => {
            if (Exit.isFailure(exit)) return reply(undefined)
            const bytes = isCorrupt ? this.#corruptPiece(name, torrent, piece, exit.value) : exit.value
            reply({ _tag: "Piece", piece, bytes })
          })
        }
      }
    }
  }

  /** The same each time a host is asked for the same, whatever else is asked. */
  #lies(name: string, torrent: Torrent): Chance {
    return this.#ground.chance.fork(`lies of ${name} about ${Infohash.toHex(torrent.infohash)}`)
  }

  #corruptInfo(name: string, torrent: Torrent): Uint8Array {
    const chance = this.#lies(name, torrent).fork("info")
    return chance.is(LIES_SHARE) ? spoilt(torrent.info, chance) : torrent.info
  }

  #corruptPiece(name: string, torrent: Torrent, piece: number, bytes: Uint8Array): Uint8Array {
    const lies = this.#lies(name, torrent)
    const isAlwaysWrong = piece === lies.below(pieceCount(torrent))
    const chance = lies.fork(`piece ${piece}`)
    return chance.is(LIES_SHARE) || isAlwaysWrong ? spoilt(bytes, chance) : bytes
  }
}
