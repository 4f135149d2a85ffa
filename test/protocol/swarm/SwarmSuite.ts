/**
 * What every `Swarm` must do, whatever carries its bytes. A layer passes by giving a {@link World}:
 * nodes that can reach each other and share a DHT.
 */
import { assert, describe, it as vitest } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { createHash } from "node:crypto"
import * as Bencode from "../../../src/protocol/core/Bencode.ts"
import { sha1 } from "../../../src/protocol/core/Digest.ts"
import { Ed25519 } from "../../../src/protocol/core/Ed25519.ts"
import * as Infohash from "../../../src/protocol/core/Infohash.ts"
import * as PackageName from "../../../src/protocol/core/PackageName.ts"
import * as Version from "../../../src/protocol/core/Version.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import { DhtError, NoNodes } from "../../../src/protocol/dht/DhtError.ts"
import { type Content, StorageFailed } from "../../../src/protocol/swarm/Content.ts"
import type { DownloadRequest, Progress, Swarm } from "../../../src/protocol/swarm/Swarm.ts"
import type { SwarmError } from "../../../src/protocol/swarm/SwarmError.ts"
import * as Torrent from "../../../src/protocol/swarm/Torrent.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"

export type Node = Swarm["Service"]

export interface World {
  /** A new node until the scope closes, on the shared DHT or on the given one. Look-ups are 50 ms apart. */
  readonly node: (dht?: Layer.Layer<Dht>) => Effect.Effect<Node, SwarmError, Scope.Scope>
}

/** Bytes that look random and are the same each time. */
export const bytesOf = (length: number, seed = 1): Uint8Array => {
  const bytes = new Uint8Array(length)
  let state = seed
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    bytes[i] = state >>> 16
  }
  return bytes
}

export interface Sample {
  readonly torrent: Torrent.Torrent
  readonly bytes: Uint8Array
}

/** What is asked for at a time, in bytes. */
const BLOCK_BYTES = 16 * 1024

const hashesOf = (bytes: Uint8Array, pieceLength: number): Uint8Array => {
  const hashes: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length; at += pieceLength) {
    hashes.push(
      createHash("sha1")
        .update(bytes.subarray(at, at + pieceLength))
        .digest()
    )
  }
  return new Uint8Array(Buffer.concat(hashes))
}

/** A release of `length` bytes, manifest included. */
export const sample = (length: number, seed = 1): Sample => {
  const bytes = bytesOf(length, seed)
  const manifestLength = Math.min(700, length >> 1)
  const torrent = Torrent.make({
    name: Option.getOrThrow(PackageName.parse("left-pad")),
    version: Option.getOrThrow(Version.parse(`1.0.${seed}`)),
    manifestLength,
    tarballLength: length - manifestLength,
    pieces: hashesOf(bytes, Torrent.pieceLengthFor(length))
  })
  return { torrent, bytes }
}

/** The same files under an info dictionary that someone tampered with; its infohash is true to it. */
export const withInfo = ({ torrent, bytes }: Sample, info: Uint8Array): Sample => ({
  torrent: { ...torrent, info, infohash: Option.getOrThrow(Infohash.fromBytes(sha1(info))) },
  bytes
})

const refused = (operation: string, problem: string) => new StorageFailed({ location: "memory", operation, problem })

/** Content over an array, and what was written to it. */
export const contentOf = (bytes: Uint8Array): Content & { readonly writes: Array<number> } => {
  const writes: Array<number> = []
  return {
    writes,
    read: (offset, length) => Effect.sync(() => bytes.slice(offset, offset + length)),
    write: (offset, chunk) =>
      Effect.sync(() => {
        writes.push(offset)
        bytes.set(chunk, offset)
      })
  }
}

/**
 * What a liar seeds: the torrent's infohash over bytes with one bit flipped in every block, and hashes that fit
 * them, for a seeder gives away nothing that is not as its own torrent says.
 */
export const lying = ({ bytes, torrent }: Sample): Sample => {
  const lies = bytes.slice()
  for (let at = 0; at < lies.length; at += BLOCK_BYTES) lies[Math.min(at + BLOCK_BYTES, lies.length) - 1]! ^= 1
  return { torrent: { ...torrent, pieces: hashesOf(lies, torrent.pieceLength) }, bytes: lies }
}

/** Content that, once armed, gives `budget` bytes; reads beyond wait for `release` and then fail. */
export const runningDry = Effect.fnUntraced(function* (bytes: Uint8Array, budget: number) {
  const release = yield* Deferred.make<void>()
  const state = { armed: false, left: budget }
  const content: Content = {
    ...contentOf(bytes),
    read: (offset, length) =>
      Effect.suspend(() => {
        const block = Effect.sync(() => bytes.slice(offset, offset + length))
        if (!state.armed) return block
        state.left -= length
        if (state.left >= 0) return block
        return Effect.andThen(Deferred.await(release), Effect.fail(refused("read", "EIO")))
      })
  }
  return { content, state, release }
})

/** A download into an array that starts empty. */
export const into = (
  { torrent }: Sample,
  options?: Partial<DownloadRequest>
): { readonly request: DownloadRequest; readonly received: Uint8Array } => {
  const received = new Uint8Array(torrent.totalLength)
  return {
    received,
    request: {
      infohash: torrent.infohash,
      torrent,
      open: () => Effect.succeed(contentOf(received)),
      timeout: "20 seconds",
      ...options
    }
  }
}

export const reasonOf = <A>(exit: Exit.Exit<A, SwarmError>): SwarmError["reason"] | undefined =>
  Exit.isFailure(exit) ? Option.getOrUndefined(Cause.findErrorOption(exit.cause))?.reason : undefined

export const same = (self: Uint8Array, that: Uint8Array): boolean => Buffer.compare(self, that) === 0

/** A DHT of one's own, which knows nobody. */
export const lonelyDht: Layer.Layer<Dht> = Layer.suspend(() => DhtMemory.layerOn(DhtMemory.make())).pipe(
  Layer.provide(Ed25519.layerNoble)
)

/** A DHT whose announces end as told. */
const announcingDht = (announcePeer: Dht["Service"]["announcePeer"]) =>
  Layer.effect(
    Dht,
    Effect.map(Dht, (dht) => Dht.of({ ...dht, announcePeer }))
  ).pipe(Layer.provide(lonelyDht))

/** A DHT that never answers a look-up. */
export const silentDht = Layer.effect(
  Dht,
  Effect.map(Dht, (dht) => Dht.of({ ...dht, findPeers: () => Effect.never }))
).pipe(Layer.provide(lonelyDht))

const noNodes = new DhtError({ reason: new NoNodes({ bootstrap: [] }) })

/** How time goes where the peers live. */
export interface Time {
  /** Takes each test there. */
  readonly run: (test: Effect.Effect<void, unknown>) => Effect.Effect<void, unknown>
  /** Lets much of it pass, in tests that are not live. */
  readonly adjust: (duration: Duration.Input) => Effect.Effect<void>
}

const ownTime: Time = { run: (test) => test, adjust: TestClock.adjust }

export const suite = (name: string, makeWorld: Effect.Effect<World, never, Scope.Scope>, time = ownTime): void => {
  const test = (body: () => Effect.Effect<void, unknown, Scope.Scope>) => () =>
    time.run(Effect.scoped(Effect.suspend(body)))
  const it = {
    live: (title: string, body: () => Effect.Effect<void, unknown, Scope.Scope>) => vitest.live(title, test(body)),
    effect: (title: string, body: () => Effect.Effect<void, unknown, Scope.Scope>) => vitest.effect(title, test(body))
  }
  const seeding = Effect.fnUntraced(function* (world: World, { torrent, bytes }: Sample) {
    const node = yield* world.node()
    yield* node.seed(torrent, contentOf(bytes))
    return node
  })

  describe(`Swarm: ${name}`, () => {
    const sizes: ReadonlyArray<readonly [string, number]> = [
      ["less than a block", 1_500],
      ["an exact multiple of the piece length", 4 * 16 * 1024],
      ["many pieces", 1_000_003],
      ["more than 16 MiB", 16 * 1024 * 1024 + 12_345]
    ]
    for (const [size, length] of sizes) {
      it.live(`fetches ${size}`, () =>
        Effect.gen(function* () {
          const world = yield* makeWorld
          const release = sample(length)
          yield* seeding(world, release)
          const { received, request } = into(release)
          const torrent = yield* (yield* world.node()).download(request)
          assert.strictEqual(torrent, release.torrent)
          assert.isTrue(same(received, release.bytes))
        })
      )
    }

    it.live("asks a seeder for the info dictionary where it is not known", () =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const release = sample(300_000)
        yield* seeding(world, release)
        const { received, request } = into(release, { torrent: undefined })
        const torrent = yield* (yield* world.node()).download(request)
        assert.isTrue(same(torrent.info, release.torrent.info))
        assert.strictEqual(torrent.tarball.path, release.torrent.tarball.path)
        assert.isTrue(same(received, release.bytes))
      })
    )

    it.live("fetches from several seeders", () =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const release = sample(2_000_000)
        for (let i = 0; i < 4; i++) yield* seeding(world, release)
        const { received, request } = into(release)
        yield* (yield* world.node()).download(request)
        assert.isTrue(same(received, release.bytes))
      })
    )

    it.live("fetches by a hint alone", () =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const release = sample(50_000)
        const seeder = yield* seeding(world, release)
        const { received, request } = into(release, { hints: [seeder.address] })
        yield* (yield* world.node(lonelyDht)).download(request)
        assert.isTrue(same(received, release.bytes))
      })
    )

    it.live("dials hints before the DHT has answered", () =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const release = sample(50_000)
        const seeder = yield* seeding(world, release)
        const { received, request } = into(release, { hints: [seeder.address] })
        yield* (yield* world.node(silentDht)).download(request)
        assert.isTrue(same(received, release.bytes))
      })
    )

    it.live("keeps what the content holds already and fetches the rest", () =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const release = sample(200_000)
        yield* seeding(world, release)
        const { received, request } = into(release)
        const half = 6 * release.torrent.pieceLength
        received.set(release.bytes.subarray(0, half))
        const content = contentOf(received)
        yield* (yield* world.node()).download({ ...request, open: () => Effect.succeed(content) })
        assert.isTrue(same(received, release.bytes))
        assert.strictEqual(Math.min(...content.writes), half)
      })
    )

    it.live("fetches again what is damaged in the content", () =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const release = sample(200_000)
        yield* seeding(world, release)
        const { received, request } = into(release)
        received.set(release.bytes)
        received[100_000]! ^= 1
        const content = contentOf(received)
        yield* (yield* world.node()).download({ ...request, open: () => Effect.succeed(content) })
        assert.isTrue(same(received, release.bytes))
        assert.strictEqual(content.writes.length, 1)
      })
    )

    it.live("needs no peer for what is complete", () =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const release = sample(100_000)
        const { request } = into(release, { open: () => Effect.succeed(contentOf(release.bytes)) })
        yield* (yield* world.node()).download(request)
      })
    )

    it.live("fails with NoPeers when nobody serves the torrent", () =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const exit = yield* Effect.exit((yield* world.node()).download(into(sample(5_000)).request))
        assert.strictEqual(reasonOf(exit)?._tag, "NoPeers")
      })
    )

    it.live("fails with NoPeers when those who announced the torrent are gone", () =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const release = sample(5_000)
        const scope = yield* Scope.make()
        yield* Scope.provide(seeding(world, release), scope)
        yield* Scope.close(scope, Exit.void)
        const exit = yield* Effect.exit((yield* world.node()).download(into(release).request))
        assert.strictEqual(reasonOf(exit)?._tag, "NoPeers")
      })
    )

    it.live("fails with CorruptPeers when there are only liars, and counts nothing of theirs", () =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const release = sample(400_000)
        for (let i = 0; i < 2; i++) yield* seeding(world, lying(release))
        const seen: Array<number> = []
        const { received, request } = into(release, {
          onProgress: ({ receivedBytes }) => Effect.sync(() => void seen.push(receivedBytes))
        })
        const exit = yield* Effect.exit((yield* world.node()).download(request))
        const reason = reasonOf(exit)
        assert.strictEqual(reason?._tag, "CorruptPeers")
        assert.deepStrictEqual(
          seen.filter((count) => count > 0),
          []
        )
        assert.isTrue(received.every((byte) => byte === 0))
      })
    )

    it.live("completes with one liar among honest seeders", () =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const release = sample(3_000_000)
        yield* seeding(world, lying(release))
        for (let i = 0; i < 3; i++) yield* seeding(world, release)
        const { received, request } = into(release)
        yield* (yield* world.node()).download(request)
        assert.isTrue(same(received, release.bytes))
      })
    )

    it.live("goes on with another seeder when one vanishes", () =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const release = sample(1_600_000)
        const { content, release: fail, state } = yield* runningDry(release.bytes, 6 * release.torrent.pieceLength)
        const scope = yield* Scope.make()
        const first = yield* Scope.provide(world.node(), scope)
        yield* Scope.provide(first.seed(release.torrent, content), scope)
        state.armed = true

        const begun = yield* Deferred.make<void>()
        const { received, request } = into(release, {
          onProgress: () => Effect.asVoid(Deferred.succeed(begun, undefined))
        })
        const download = yield* Effect.forkChild((yield* world.node()).download(request))
        yield* Deferred.await(begun)
        yield* Scope.close(scope, Exit.void)
        yield* Deferred.succeed(fail, undefined)
        yield* seeding(world, release)
        yield* Fiber.join(download)
        assert.isTrue(same(received, release.bytes))
      })
    )

    it.live("fails with StorageFailed when the content cannot be written", () =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const release = sample(200_000)
        yield* seeding(world, release)
        const { received, request } = into(release)
        const full: Content = {
          ...contentOf(received),
          write: () => Effect.fail(refused("write", "ENOSPC: no space left on device"))
        }
        const node = yield* world.node()
        const exit = yield* Effect.exit(node.download({ ...request, open: () => Effect.succeed(full) }))
        const reason = reasonOf(exit)
        assert.strictEqual(reason?._tag, "StorageFailed")
        assert.include(reason?.message, "ENOSPC")
      })
    )

    it.live("fails with StorageFailed when the content cannot be opened", () =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const release = sample(2_000)
        yield* seeding(world, release)
        const { request } = into(release, { open: () => Effect.fail(refused("open", "EACCES")) })
        const exit = yield* Effect.exit((yield* world.node()).download(request))
        assert.strictEqual(reasonOf(exit)?._tag, "StorageFailed")
      })
    )

    it.live("fails with DownloadStalled at the deadline when a seeder goes quiet, and says how far it came", () =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const release = sample(1_600_000)
        const { content, state } = yield* runningDry(release.bytes, 6 * release.torrent.pieceLength)
        yield* (yield* world.node()).seed(release.torrent, content)
        state.armed = true
        const { request } = into(release, { timeout: "1 second" })
        const reason = reasonOf(yield* Effect.exit((yield* world.node()).download(request)))
        assert.strictEqual(reason?._tag, "DownloadStalled")
        if (reason?._tag !== "DownloadStalled") return
        assert.isAbove(reason.receivedBytes, 0)
        assert.isBelow(reason.receivedBytes, reason.totalBytes)
        assert.strictEqual(reason.totalBytes, 1_600_000)
      })
    )

    it.live("releases what it opened when it is interrupted", () =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const release = sample(1_600_000)
        const { content, state } = yield* runningDry(release.bytes, 6 * release.torrent.pieceLength)
        yield* (yield* world.node()).seed(release.torrent, content)
        state.armed = true
        const begun = yield* Deferred.make<void>()
        const closed = yield* Deferred.make<void>()
        const { received, request } = into(release, {
          onProgress: () => Effect.asVoid(Deferred.succeed(begun, undefined)),
          open: () =>
            Effect.acquireRelease(Effect.succeed(contentOf(received)), () => Deferred.succeed(closed, undefined))
        })
        const download = yield* Effect.forkChild((yield* world.node()).download(request))
        yield* Deferred.await(begun)
        yield* Fiber.interrupt(download)
        assert.isTrue(yield* Deferred.isDone(closed))
      })
    )

    it.live("reports progress that never falls and ends at the total", () =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const release = sample(1_000_000)
        yield* seeding(world, release)
        const seen: Array<Progress> = []
        const { request } = into(release, { onProgress: (progress) => Effect.sync(() => void seen.push(progress)) })
        yield* (yield* world.node()).download(request)
        const received = seen.map(({ receivedBytes }) => receivedBytes)
        assert.deepStrictEqual(
          received,
          received.toSorted((a, b) => a - b)
        )
        assert.strictEqual(received.at(-1), 1_000_000)
        assert.isTrue(seen.every(({ totalBytes }) => totalBytes === 1_000_000))
      })
    )

    it.live("never gives away what is damaged, and gives what is not once it was asked for", () =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const release = sample(200_000)
        const damaged = Uint8Array.from(release.bytes)
        damaged[3 * release.torrent.pieceLength]! ^= 1
        const seeded = yield* Effect.exit((yield* world.node()).seed(release.torrent, contentOf(damaged)))
        const reason = reasonOf(seeded)
        if (reason !== undefined) assert.strictEqual(reason._tag, "ContentDamaged")
        if (reason?._tag === "ContentDamaged") assert.strictEqual(reason.piece, 3)
        const { received, request } = into(release, { timeout: "1 second" })
        const tags = ["NoPeers", "DownloadStalled"]
        assert.include(tags, reasonOf(yield* Effect.exit((yield* world.node()).download(request)))?._tag)
        const from = 3 * release.torrent.pieceLength
        assert.isTrue(received.subarray(from, from + release.torrent.pieceLength).every((byte) => byte === 0))
        yield* seeding(world, release)
        yield* (yield* world.node()).download({ ...request, timeout: "20 seconds" })
        assert.isTrue(same(received, release.bytes))
      })
    )

    it.live("fails to seed when the torrent cannot be announced", () =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const release = sample(2_000)
        const unreachable = yield* world.node(announcingDht(() => Effect.fail(noNodes)))
        const first = yield* Effect.exit(unreachable.seed(release.torrent, contentOf(release.bytes)))
        assert.strictEqual(reasonOf(first)?._tag, "DhtError")
        const unheard = yield* world.node(announcingDht(() => Effect.succeed(0)))
        const second = yield* Effect.exit(unheard.seed(release.torrent, contentOf(release.bytes)))
        assert.strictEqual(reasonOf(second)?._tag, "DhtError")
      })
    )

    it.effect("announces a seed anew every quarter of an hour, also after an announce that failed", () =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const release = sample(2_000)
        let announces = 0
        const dht = announcingDht(() =>
          Effect.suspend(() => (++announces === 2 ? Effect.fail(noNodes) : Effect.succeed(1)))
        )
        yield* (yield* world.node(dht)).seed(release.torrent, contentOf(release.bytes))
        assert.strictEqual(announces, 1)
        yield* time.adjust("62 minutes")
        assert.isAtLeast(announces, 4)
        assert.isAtMost(announces, 6)
      })
    )

    it.live("seeds what is seeded already, and goes on when one of the two ends", () =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const release = sample(60_000)
        const node = yield* world.node()
        const scope = yield* Scope.make()
        yield* Scope.provide(node.seed(release.torrent, contentOf(release.bytes)), scope)
        yield* node.seed(release.torrent, contentOf(release.bytes))
        yield* Scope.close(scope, Exit.void)
        const { received, request } = into(release)
        yield* (yield* world.node()).download(request)
        assert.isTrue(same(received, release.bytes))
      })
    )

    it.live("downloads many torrents at once, the same one twice among them", () =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const releases = Array.from({ length: 12 }, (_, i) => sample(80_000, i + 1))
        const seeder = yield* world.node()
        for (const { bytes, torrent } of releases) yield* seeder.seed(torrent, contentOf(bytes))
        const node = yield* world.node()
        const downloads = [...releases, releases[0]!].map((release) => {
          const { received, request } = into(release)
          return { release, received, request }
        })
        yield* Effect.forEach(downloads, ({ request }) => node.download(request), { concurrency: "unbounded" })
        for (const { received, release } of downloads) assert.isTrue(same(received, release.bytes))
      })
    )

    describe("hostile metadata", () => {
      const release = sample(50_000)
      const tampered: ReadonlyArray<readonly [string, Uint8Array]> = [
        ["no bencode", Bencode.utf8("not bencoded")],
        [
          "a path out of the directory",
          Bencode.encode({
            files: [
              { length: 700, path: [Bencode.utf8("..")] },
              { length: 49_300, path: [Bencode.utf8("x")] }
            ],
            name: Bencode.utf8("../../etc"),
            "piece length": 16_384,
            pieces: release.torrent.pieces
          })
        ],
        [
          "a single file",
          Bencode.encode({
            length: 50_000,
            name: Bencode.utf8("x"),
            "piece length": 16_384,
            pieces: release.torrent.pieces
          })
        ],
        [
          "a file name with a NUL",
          Bencode.encode({
            files: [{ length: 50_000, path: [Bencode.utf8("a\0b")] }],
            name: Bencode.utf8("x"),
            "piece length": 16_384,
            pieces: release.torrent.pieces
          })
        ]
      ]
      for (const [what, info] of tampered) {
        it.live(`fails with InvalidTorrent when the info dictionary has ${what}, and opens nothing`, () =>
          Effect.gen(function* () {
            const world = yield* makeWorld
            const hostile = withInfo(release, info)
            yield* seeding(world, hostile)
            const { request } = into(hostile, { torrent: undefined, open: () => Effect.die("opened") })
            const exit = yield* Effect.exit((yield* world.node()).download(request))
            assert.strictEqual(reasonOf(exit)?._tag, "InvalidTorrent")
          })
        )
      }

      it.live("bans a seeder whose info dictionary is that of another torrent", () =>
        Effect.gen(function* () {
          const world = yield* makeWorld
          const liar = { ...release.torrent, info: sample(60_000, 2).torrent.info }
          yield* (yield* world.node()).seed(liar, contentOf(release.bytes))
          const { received, request } = into(release, { torrent: undefined })
          const alone = yield* Effect.exit((yield* world.node()).download(request))
          assert.strictEqual(reasonOf(alone)?._tag, "CorruptPeers")
          yield* seeding(world, release)
          yield* (yield* world.node()).download(request)
          assert.isTrue(same(received, release.bytes))
        })
      )

      it.live("refuses a torrent that is not that of the infohash", () =>
        Effect.gen(function* () {
          const world = yield* makeWorld
          const { request } = into(release, { torrent: sample(60_000, 2).torrent })
          const exit = yield* Effect.exit((yield* world.node()).download(request))
          assert.strictEqual(reasonOf(exit)?._tag, "InvalidTorrent")
        })
      )
    })
  })
}
