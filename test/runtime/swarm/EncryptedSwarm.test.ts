/** Whole downloads between nodes that agree on encryption, or have to find out that they must. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as BitTorrentSwarm from "../../../src/runtime/swarm/BitTorrentSwarm.ts"
import * as TorrentStreamSwarm from "../../../src/runtime/swarm/TorrentStreamSwarm.ts"
import { contentOf, into, same, sample } from "../../protocol/swarm/SwarmSuite.ts"
import * as LoopbackWorld from "./LoopbackWorld.ts"

const layers = [
  ["our engine", BitTorrentSwarm.layer],
  ["torrent-stream", TorrentStreamSwarm.layer]
] as const

describe("a download through encryption", () => {
  for (const [name, layer] of layers) {
    for (const [seeder, downloader] of [
      ["required", "required"],
      ["required", "plain-first"],
      ["plain-first", "required"],
      ["encrypted-first", "encrypted-first"]
    ] as const) {
      it.live(`by ${name}, ${downloader}, from a seeder with encryption ${seeder}`, () =>
        Effect.gen(function* () {
          const release = sample(400_000)
          const seeding = yield* LoopbackWorld.make({ encryption: seeder }, layer)
          const node = yield* seeding.node()
          yield* node.seed(release.torrent, contentOf(release.bytes))
          const other = yield* LoopbackWorld.make({ encryption: downloader }, layer)
          const { received, request } = into(release, { torrent: undefined, hints: [node.address] })
          yield* (yield* other.node()).download(request)
          assert.isTrue(same(received, release.bytes))
        })
      )
    }
  }
})
