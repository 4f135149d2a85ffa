/** Torrents between us and libtorrent, which find each other through our DHT alone. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Exit from "effect/Exit"
import { contentOf, into, same, sample } from "../protocol/swarm/SwarmSuite.ts"
import * as LibtorrentPeer from "./LibtorrentPeer.ts"
import * as Requirement from "./Requirement.ts"
import { directory, fileOf, fill, LAYERS, magnetOf, read, SwarmWorld } from "./SwarmWorld.ts"

/** For 50 KB, from when the client is told what to get. Half a second of it libtorrent waits before it begins. */
const DEADLINE_MS = 3_000

const SIZE = 50_000

const encryptions = [
  ["with its own settings", {}, false],
  ["with encryption forced", LibtorrentPeer.FORCED, true]
] as const

let seeds = 0
/** A release that no other test has. */
const fresh = (length = SIZE) => sample(length, 1_000 + seeds++)

Requirement.describeUnless(Requirement.libtorrent, "torrents between us and libtorrent", () => {
  layer(SwarmWorld.layer, { excludeTestServices: true })("in our DHT", (it) => {
    for (const [how, settings, isEncrypted] of encryptions) {
      for (const [what, wantedOf] of [
        ["magnet link", magnetOf],
        ["torrent file", fileOf]
      ] as const) {
        it.effect(`libtorrent ${how} downloads from us by a ${what} of ours within 3 s`, () =>
          Effect.gen(function* () {
            const world = yield* SwarmWorld
            const ours = yield* world.node()
            const theirs = yield* LibtorrentPeer.start({ bootstrap: world.bootstrap, settings })
            // A machine that is busy for a moment says nothing about us: the best of three.
            const times: Array<number> = []
            while (times.length < 3 && !(Math.min(...times) < DEADLINE_MS)) {
              const release = fresh()
              yield* ours.seed(release.torrent, contentOf(release.bytes))
              const path = yield* directory
              times.push(yield* theirs.get(wantedOf(release.torrent), path))
              assert.isTrue(same(read(path, release), release.bytes))
            }
            assert.isBelow(Math.min(...times), DEADLINE_MS, String(times))
          })
        )
      }

      for (const [engine, swarm] of LAYERS) {
        it.effect(`${engine} downloads from libtorrent ${how}, whose torrent is ours byte for byte`, () =>
          Effect.gen(function* () {
            const world = yield* SwarmWorld
            const release = fresh()
            const { torrent } = release
            const path = yield* directory
            fill(path, release)
            const theirs = yield* LibtorrentPeer.start({ bootstrap: world.bootstrap, settings })
            const info = yield* theirs.make({
              directory: path,
              name: torrent.name,
              files: [torrent.manifest, torrent.tarball].map((file) => [file.path, file.length] as const),
              pieceLength: torrent.pieceLength
            })
            assert.deepStrictEqual(Buffer.from(info), Buffer.from(torrent.info))
            yield* theirs.get(fileOf({ info }), path)
            yield* world.announced(torrent.infohash, theirs.port)
            const { received, request } = into(release, { torrent: undefined })
            yield* (yield* world.node(swarm)).download(request)
            assert.isTrue(same(received, release.bytes))
            if (isEncrypted) return
            // And from a node that speaks to nobody in the clear.
            const strict = into(release, { torrent: undefined })
            yield* (yield* world.node(swarm, { encryption: "required" })).download(strict.request)
            assert.isTrue(same(strict.received, release.bytes))
          })
        )
      }
    }

    it.effect("a swarm of both: everybody gets everything, and it stays when the first seeder leaves", () =>
      Effect.gen(function* () {
        const world = yield* SwarmWorld
        const release = fresh(2_000_000)
        const scope = yield* Scope.make()
        const first = yield* Scope.provide(world.node(), scope)
        yield* Scope.provide(first.seed(release.torrent, contentOf(release.bytes)), scope)
        const downloads = LAYERS.map(([, swarm]) =>
          Effect.gen(function* () {
            const { received, request } = into(release, { torrent: undefined })
            const node = yield* world.node(swarm)
            yield* node.download(request)
            assert.isTrue(same(received, release.bytes))
            yield* node.seed(release.torrent, contentOf(received))
          })
        )
        const theirs = yield* LibtorrentPeer.start({ bootstrap: world.bootstrap })
        const forced = yield* LibtorrentPeer.start({ bootstrap: world.bootstrap, settings: LibtorrentPeer.FORCED })
        const paths = [yield* directory, yield* directory] as const
        const both = [theirs.get(magnetOf(release.torrent), paths[0]), forced.get(magnetOf(release.torrent), paths[1])]
        yield* Effect.all([...both, ...downloads], { concurrency: "unbounded" })
        for (const path of paths) assert.isTrue(same(read(path, release), release.bytes))

        yield* Scope.close(scope, Exit.void)
        const late = into(release, { torrent: undefined })
        yield* (yield* world.node()).download(late.request)
        assert.isTrue(same(late.received, release.bytes))
      })
    )
  })
})
