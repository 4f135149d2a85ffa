/**
 * Threat 24 under a fuzzer: what peers send, from bytes to the engine of a download and to a seed over real sockets.
 * Five seconds in a normal run, `LIBRESEED_FUZZ_SECONDS` in a long one; `LIBRESEED_FUZZ_SEED` repeats a run.
 */
import * as V8 from "node:v8"
import * as Vm from "node:vm"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { connect, type Socket } from "node:net"
import * as ExtensionMessage from "../../../src/runtime/swarm/ExtensionMessage.ts"
import * as Handshake from "../../../src/runtime/swarm/Handshake.ts"
import { EXTENDED_MAX_BYTES, type Message, PeerWireGuard } from "../../../src/runtime/swarm/PeerWireGuard.ts"
import { fullBitfield } from "../../../src/runtime/swarm/PieceSet.ts"
import { shapeOf } from "../../../src/runtime/swarm/Shape.ts"
import * as TopicMessage from "../../../src/runtime/swarm/topic/TopicMessage.ts"
import { contentOf, into, same, sample } from "../../protocol/swarm/SwarmSuite.ts"
import { Chance } from "../dht/FuzzChance.ts"
import * as FuzzedDownload from "./FuzzedDownload.ts"
import * as LoopbackWorld from "./LoopbackWorld.ts"
import { PeerFuzzer } from "./PeerFuzzer.ts"
import { message } from "./RawPeer.ts"

const SECONDS = Number(process.env["LIBRESEED_FUZZ_SECONDS"] ?? 5)
const SEED = Number(
  process.env["LIBRESEED_FUZZ_SEED"] ?? Math.floor(performance.timeOrigin + performance.now()) % 2 ** 31
)
/** What the process may have grown by when all is over and collected: the limit of every fuzzer of this project. */
const RSS_GROWTH_MAX_BYTES = 64 * 1024 * 1024
/** What `PeerConnection` says where something was thrown: a fault of ours. */
const THROWN = "message that was not survived"
const HONEST_PORT = 1

const release = sample(300_000)
const shape = shapeOf(release.torrent)
const fuzzer = (seed: number) => new PeerFuzzer(new Chance(seed), shape, release.torrent.infohash)

const title = (what: string, share: number) => `${what} (seed ${SEED}, ${SECONDS * share} s)`

/** Rounds with a seed each for a share of the time; a failure names the seed of its round. */
const rounds = (share: number, round: (seed: number) => Effect.Effect<void, unknown>): Effect.Effect<number, unknown> =>
  Effect.gen(function* () {
    const until = performance.now() + SECONDS * share * 1000
    let seed = SEED
    do yield* Effect.tapCause(round(seed), (cause) => Effect.logError(`round with the seed ${seed}`, cause))
    while ((seed++, performance.now() < until))
    return seed - SEED
  })

const rssAfterCollection = (): number => {
  V8.setFlagsFromString("--expose-gc")
  const collect: (options: object) => void = Vm.runInNewContext("gc")
  for (let i = 0; i < 3; i++) collect({ type: "major", execution: "sync", flavor: "last-resort" })
  return process.memoryUsage().rss
}

const timeout = SECONDS * 1000 + 60_000

describe("what reads a peer's bytes", () => {
  const read = (chunks: ReadonlyArray<Uint8Array>, isFast: boolean) => {
    const guard = new PeerWireGuard({ fast: isFast })
    guard.fit(shape)
    const messages: Array<Message> = []
    let problem: string | undefined
    for (const chunk of chunks) {
      const verdict = guard.push(chunk)
      messages.push(...verdict.messages)
      problem = verdict.problem
    }
    return { messages, problem }
  }

  it.live(
    title("throws nothing, and says the same however the bytes are cut", 0.2),
    () =>
      Effect.gen(function* () {
        const tags = new Set<string>()
        const problems = new Set<string | undefined>()
        yield* rounds(0.2, (seed) =>
          Effect.sync(() => {
            const { chance } = fuzzer(seed)
            const peer = fuzzer(seed)
            const isFast = chance.oneIn(2)
            const bytes = peer.stream(30, chance.of([5, 50, 1000]))
            const whole = read([bytes], isFast)
            assert.deepStrictEqual(read(peer.chunks(bytes), isFast), whole)
            problems.add(whole.problem)
            for (const each of whole.messages) {
              tags.add(each._tag)
              if (each._tag !== "Extended") continue
              assert.isAtMost(each.payload.length, EXTENDED_MAX_BYTES)
              ExtensionMessage.decodeHandshake(each.payload)
              ExtensionMessage.decodeMetadata(each.payload)
              TopicMessage.decode(each.payload)
            }
            for (const payload of [peer.handshakePayload(), peer.extensionPayload(), chance.bytes(99)]) {
              const changed = peer.mutated(payload)
              ExtensionMessage.decodeHandshake(changed)
              ExtensionMessage.decodeMetadata(changed)
              TopicMessage.decode(changed)
            }
            const handshake = peer.handshake(isFast)
            Handshake.decode(handshake)
            Handshake.isPrefix(handshake)
          })
        )
        // Or the fuzzer is none.
        assert.isAtLeast(tags.size, 15)
        assert.isAtLeast(problems.size, 6)
      }),
    { timeout }
  )
})

describe("a download among peers that send anything", () => {
  it.live(
    title("throws nothing, bans no honest peer, and ends with the right bytes", 0.5),
    () =>
      Effect.gen(function* () {
        const met = new Set<string>()
        yield* rounds(0.5, (seed) =>
          Effect.scoped(
            Effect.gen(function* () {
              const { chance } = fuzzer(seed)
              const download = yield* FuzzedDownload.make(release, chance)
              const strangers = Array.from({ length: 1 + chance.below(4) }, (_, i) => {
                const isFast = chance.oneIn(2)
                const peer = fuzzer(seed * 31 + i)
                const answer = (at: number, length: number) => {
                  if (chance.oneIn(3)) return undefined
                  const block = release.bytes.slice(at, at + length)
                  if (chance.oneIn(4)) block[0]! ^= 1
                  return block
                }
                const fake = FuzzedDownload.answering(release, { port: 100 + i, isFast, answer })
                download.connect(fake.peer)
                if (chance.oneIn(2)) fake.say(Buffer.concat([message(5, fullBitfield(shape.pieceCount)), message(1)]))
                return { fake, peer }
              })
              for (let i = 0; i < 20; i++) {
                const { fake, peer } = chance.of(strangers)
                for (const chunk of peer.chunks(peer.stream(1 + chance.below(20), 60))) fake.say(chunk)
                yield* Effect.yieldNow
                download.pass(chance.below(3000))
              }
              const honest = FuzzedDownload.answering(release, {
                port: HONEST_PORT,
                isFast: true,
                answer: (at, length) => release.bytes.slice(at, at + length)
              })
              download.connect(honest.peer)
              honest.say(Buffer.concat([message(14), message(1)]))
              // Those who owe blocks are found out in time.
              const clock = Effect.forever(
                Effect.andThen(
                  Effect.sleep(0),
                  Effect.sync(() => download.pass(250))
                )
              )
              yield* Effect.raceFirst(download.complete, clock)
              assert.isTrue(same(download.received, release.bytes))
              assert.notInclude(download.problems, THROWN)
              assert.notInclude(download.banned, HONEST_PORT)
              for (const problem of download.problems) met.add(problem)
              for (const connection of download.session["connections"]) connection.close()
            })
          )
        )
        assert.isAtLeast(met.size, 4)
      }),
    { timeout }
  )
})

describe("a seed among peers that send anything", () => {
  /** Sends the chunks, and waits until the node has closed or answered all that it will. */
  const attack = (address: { readonly host: string; readonly port: number }, chunks: ReadonlyArray<Uint8Array>) =>
    Effect.callback<void>((resume) => {
      const socket: Socket = connect({ ...address, noDelay: true })
      socket.on("error", () => {})
      socket.once("close", () => resume(Effect.void))
      socket.resume()
      for (const chunk of chunks) socket.write(chunk)
      socket.end()
      return Effect.sync(() => socket.destroy())
    })

  it.live(
    title("goes on to serve the right bytes, and its memory stays as it was", 0.3),
    () =>
      Effect.gen(function* () {
        const world = yield* LoopbackWorld.make()
        const [seed, downloader] = [yield* world.node(), yield* world.node()]
        yield* seed.seed(release.torrent, contentOf(release.bytes))
        const round = (number: number) =>
          Effect.gen(function* () {
            const peer = fuzzer(number)
            const { chance } = peer
            const start = chance.oneIn(4) ? chance.bytes(96 + chance.below(700)) : peer.handshake(chance.oneIn(2))
            yield* attack(seed.address, peer.chunks(Buffer.concat([start, peer.stream(200, 200)])))
          })
        yield* rounds(0.05, round)
        const before = rssAfterCollection()
        yield* rounds(0.25, (number) => round(number + 1_000_000))
        const { received, request } = into(release)
        yield* downloader.download(request)
        assert.isTrue(same(received, release.bytes))
        assert.isBelow(rssAfterCollection() - before, RSS_GROWTH_MAX_BYTES)
      }).pipe(Effect.scoped),
    { timeout }
  )
})
