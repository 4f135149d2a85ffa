/** Bytes over TCP on loopback: a small package from first byte to installed, and a large torrent from one seeder. */
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { sha256 } from "../../src/protocol/core/Digest.ts"
import { Hasher } from "../../src/protocol/core/Hasher.ts"
import { DEFAULT_KEY_NAME, Keystore } from "../../src/protocol/core/Keystore.ts"
import type { PublicKey } from "../../src/protocol/core/PublicKey.ts"
import * as Resolve from "../../src/protocol/registry/Resolve.ts"
import type { Release } from "../../src/protocol/registry/Release.ts"
import { fetchRelease } from "../../src/protocol/swarm/FetchRelease.ts"
import { PackageStore, type StoredRelease } from "../../src/protocol/swarm/PackageStore.ts"
import * as PieceHasher from "../../src/protocol/swarm/PieceHasher.ts"
import { publishPackage } from "../../src/protocol/swarm/PublishPackage.ts"
import { Swarm } from "../../src/protocol/swarm/Swarm.ts"
import * as Torrent from "../../src/protocol/swarm/Torrent.ts"
import { readPackage } from "../../src/runtime/archive/ReadPackage.ts"
import * as Testnet from "../../src/runtime/dht/Testnet.ts"
import { install } from "../../src/runtime/install/Install.ts"
import * as LiveNode from "../../src/runtime/LiveNode.ts"
import * as OfflineNode from "../../src/runtime/OfflineNode.ts"
import * as Fixtures from "../protocol/registry/Fixtures.ts"
import { median, round } from "./Measure.ts"

const LARGE_BYTES = 100 * 1000 * 1000
const SMALL_BYTES = 50 * 1000
const ROUNDS = 5

type Services = Layer.Success<ReturnType<typeof LiveNode.layer>>

const host = (home: string, bootstrap: ReadonlyArray<string>) =>
  Effect.map(
    Layer.build(LiveNode.layer({ home, host: Testnet.HOST, port: 0, bootstrap })),
    (context) =>
      <A, E>(work: Effect.Effect<A, E, Services | Scope.Scope>) =>
        Effect.provideContext(work, context)
  )

/** `count` rounds, each with a user who has nothing yet. */
const rounds = <E, R>(count: number, directory: string, one: (home: string) => Effect.Effect<number, E, R>) =>
  Effect.map(
    Effect.forEach(
      Array.from({ length: count }, (_, i) => i),
      (i) => one(Path.join(directory, `user-${i}`))
    ),
    median
  )

const small = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "libreseed-bench-" })
  const { bootstrap } = yield* Testnet.make(10)
  const source = Path.join(directory, "package")
  Fs.mkdirSync(source)
  Fs.writeFileSync(Path.join(source, "package.json"), JSON.stringify({ name: "small", version: "1.0.0" }))
  Fs.writeFileSync(Path.join(source, "data.bin"), Crypto.randomBytes(SMALL_BYTES))
  const publisher = yield* host(Path.join(directory, "publisher"), bootstrap)
  yield* publisher(
    Effect.gen(function* () {
      const key = yield* (yield* Keystore).create(DEFAULT_KEY_NAME)
      yield* publishPackage(key, yield* readPackage(source))
    })
  )
  let firstByteMs = 0
  const installedMs = yield* rounds(ROUNDS, directory, (home) =>
    Effect.scoped(
      Effect.gen(function* () {
        const user = yield* host(home, bootstrap)
        const resolution = yield* user(
          Resolve.resolveByName({ name: Fixtures.name("small"), range: Fixtures.range("*") })
        )
        const started = performance.now()
        firstByteMs = 0
        const fetched = yield* user(
          fetchRelease(resolution, {
            timeout: "20 seconds",
            onProgress: ({ receivedBytes }) =>
              Effect.sync(() => {
                if (receivedBytes > 0 && firstByteMs === 0) firstByteMs = performance.now() - started
              })
          })
        )
        yield* user(install(Path.join(home, "project"), [fetched]))
        return performance.now() - started
      })
    )
  )
  return { bytes: SMALL_BYTES, firstPieceMs: round(firstByteMs, 1), installedMs: round(installedMs, 1) }
})

const large = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "libreseed-bench-" })
  const { bootstrap } = yield* Testnet.make(10)
  const bytes = Crypto.randomBytes(LARGE_BYTES)
  const seeder = yield* host(Path.join(directory, "seeder"), bootstrap)
  const torrent = yield* seeder(
    Effect.gen(function* () {
      const hasher = yield* Hasher
      const store = yield* PackageStore
      const pieces = PieceHasher.make(Torrent.pieceLengthFor(LARGE_BYTES), () => hasher.start("sha1"))
      pieces.update(bytes)
      const torrent = Torrent.make({
        name: Fixtures.name("large"),
        version: Fixtures.version("1.0.0"),
        manifestLength: 1000,
        tarballLength: LARGE_BYTES - 1000,
        pieces: pieces.digest()
      })
      const publisher = sha256(new Uint8Array([1])) as PublicKey
      const release: Release = {
        ...Fixtures.release("large", "1.0.0"),
        ih: torrent.infohash,
        s: [1000, LARGE_BYTES - 1000]
      }
      const stored: StoredRelease = { publisher, release, torrent }
      yield* Effect.scoped(Effect.flatMap(store.stage(torrent), (content) => content.write(0, bytes)))
      yield* store.commit(stored)
      yield* (yield* Swarm).seed(torrent, yield* store.open(stored))
      return torrent
    })
  )
  const ms = yield* rounds(3, directory, (home) =>
    Effect.scoped(
      Effect.gen(function* () {
        const user = yield* host(home, bootstrap)
        const started = performance.now()
        yield* user(
          Effect.gen(function* () {
            const store = yield* PackageStore
            yield* (yield* Swarm).download({
              infohash: torrent.infohash,
              torrent,
              open: store.stage,
              timeout: "1 minute"
            })
          })
        )
        return performance.now() - started
      })
    )
  )
  const hashed = performance.now()
  Crypto.createHash("sha1").update(bytes).digest()
  const sha1Ms = performance.now() - hashed
  return { bytes: LARGE_BYTES, ms: round(ms, 0), MBps: round(LARGE_BYTES / 1000 / ms, 0), sha1Ms: round(sha1Ms, 0) }
})

const run = <A, E>(effect: Effect.Effect<A, E, Layer.Success<typeof OfflineNode.platform> | Scope.Scope>) =>
  Effect.runPromise(Effect.scoped(effect).pipe(Effect.provide(OfflineNode.platform)))

export const transfers = async () => ({ small: await run(small), large: await run(large) })
