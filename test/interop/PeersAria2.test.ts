/**
 * Torrents between us and aria2, which find each other through our DHT alone. aria2 dials once in ten seconds, and for a
 * magnet link twice, so these run beside each other, and its time counts from when it dials us.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { contentOf, into, same, sample } from "../protocol/swarm/SwarmSuite.ts"
import * as Aria2 from "./Aria2.ts"
import * as LibtorrentPeer from "./LibtorrentPeer.ts"
import * as Requirement from "./Requirement.ts"
import { directory, fileOf, fill, LAYERS, magnetOf, read, SwarmWorld } from "./SwarmWorld.ts"

/** For 50 KB, from when aria2 dials us. */
const DEADLINE_MS = 3_000

const SIZE = 50_000

let seeds = 0
/** A release that no other test has. */
const fresh = (length = SIZE) => sample(length, 2_000 + seeds++)

const encryptions = [
  ["with its own settings", []],
  ["with encryption required", Aria2.REQUIRE_CRYPTO]
] as const

Requirement.describeUnless(Requirement.aria2, "torrents between us and aria2", () => {
  describe.concurrent("in our DHT", () => {
    for (const [how, settings] of encryptions) {
      for (const [what, wantedOf] of [
        ["magnet link", magnetOf],
        ["torrent file", fileOf]
      ] as const) {
        it.live(`aria2 ${how} downloads from us by a ${what} of ours, within 3 s of dialling us`, () =>
          Effect.gen(function* () {
            const world = yield* SwarmWorld
            const ours = yield* world.node()
            const release = fresh()
            yield* ours.seed(release.torrent, contentOf(release.bytes))
            const path = yield* directory
            const wanted = wantedOf(release.torrent)
            const { bootstrap } = world
            const { ms } = yield* Aria2.download({ bootstrap, wanted, directory: path, settings }, String(ours.address))
            assert.isTrue(same(read(path, release), release.bytes))
            assert.isBelow(ms ?? Infinity, DEADLINE_MS)
          }).pipe(Effect.provide(SwarmWorld.layer))
        )
      }

      it.live(`both layers download from aria2 ${how}`, () =>
        Effect.gen(function* () {
          const { announced, bootstrap, node } = yield* SwarmWorld
          const release = fresh()
          const path = yield* directory
          fill(path, release)
          const port = yield* Aria2.seed({ bootstrap, wanted: fileOf(release.torrent), directory: path, settings })
          yield* announced(release.torrent.infohash, port)
          for (const [, swarm] of LAYERS) {
            const { received, request } = into(release, { torrent: undefined })
            yield* (yield* node(swarm)).download(request)
            assert.isTrue(same(received, release.bytes))
          }
        }).pipe(Effect.provide(SwarmWorld.layer))
      )
    }

    if (Requirement.libtorrent === undefined) {
      it.live("a swarm of all three: who seeds is one of ours, and everybody gets everything", () =>
        Effect.gen(function* () {
          const { bootstrap, node } = yield* SwarmWorld
          const release = fresh(1_000_000)
          const { torrent } = release
          const ours = yield* node()
          yield* ours.seed(torrent, contentOf(release.bytes))
          const paths = [yield* directory, yield* directory] as const
          const libtorrent = yield* LibtorrentPeer.start({ bootstrap })
          const downloads = LAYERS.map(([, swarm]) =>
            Effect.gen(function* () {
              const { received, request } = into(release, { torrent: undefined })
              yield* (yield* node(swarm)).download(request)
              assert.isTrue(same(received, release.bytes))
            })
          )
          const aria2 = Aria2.download(
            { bootstrap, wanted: fileOf(torrent), directory: paths[0] },
            String(ours.address)
          )
          const all = [aria2, libtorrent.get(magnetOf(torrent), paths[1]), ...downloads]
          yield* Effect.all(all, { concurrency: "unbounded" })
          for (const path of paths) assert.isTrue(same(read(path, release), release.bytes))
        }).pipe(Effect.provide(SwarmWorld.layer))
      )
    }
  })
})
