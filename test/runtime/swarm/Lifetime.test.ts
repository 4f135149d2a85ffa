/** What a node holds of the system, and that it gives it back. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { connect } from "node:net"
import type { Content } from "../../../src/protocol/swarm/Content.ts"
import { WRITES_PENDING_MAX_BYTES } from "../../../src/runtime/swarm/DownloadSession.ts"
import { contentOf, into, reasonOf, runningDry, same, sample } from "../../protocol/swarm/SwarmSuite.ts"
import * as LoopbackWorld from "./LoopbackWorld.ts"

const sockets = () => process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP")).length

/** Handles close on the next turns of the event loop. */
const until = (condition: () => boolean) =>
  Effect.callback<void>((resume) => {
    const look = () => (condition() ? resume(Effect.void) : void setImmediate(look))
    look()
  })

describe("a node's lifetime", () => {
  it.live("closes every socket with its scope, in the middle of a download", () =>
    Effect.gen(function* () {
      const before = sockets()
      const scope = yield* Scope.make()
      const world = yield* LoopbackWorld.make()
      const release = sample(1_600_000)
      const { content, state } = yield* runningDry(release.bytes, 300_000)
      const seeder = yield* Scope.provide(world.node(), scope)
      yield* Scope.provide(seeder.seed(release.torrent, content), scope)
      state.armed = true
      const begun = yield* Deferred.make<void>()
      const { request } = into(release, { onProgress: () => Effect.asVoid(Deferred.succeed(begun, undefined)) })
      const node = yield* Scope.provide(world.node(), scope)
      const download = yield* Effect.forkChild(node.download(request))
      yield* Deferred.await(begun)
      assert.isAbove(sockets(), before)
      yield* Fiber.interrupt(download)
      yield* Scope.close(scope, Exit.void)
      yield* until(() => sockets() === before)
    })
  )

  it.live("hangs up on its peers when a download is interrupted", () =>
    Effect.gen(function* () {
      const world = yield* LoopbackWorld.make()
      const release = sample(1_600_000)
      const { content, state } = yield* runningDry(release.bytes, 300_000)
      yield* (yield* world.node()).seed(release.torrent, content)
      state.armed = true
      const node = yield* world.node()
      const before = sockets()
      const begun = yield* Deferred.make<void>()
      const { request } = into(release, { onProgress: () => Effect.asVoid(Deferred.succeed(begun, undefined)) })
      const download = yield* Effect.forkChild(node.download(request))
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(download)
      yield* until(() => sockets() === before)
    })
  )

  it.live("listens on its own address only, and no longer than its scope", () =>
    Effect.gen(function* () {
      const world = yield* LoopbackWorld.make()
      const scope = yield* Scope.make()
      const { address } = yield* Scope.provide(world.node(), scope)
      const reaches = (host: string) =>
        Effect.callback<boolean>((resume) => {
          const socket = connect(address.port, host)
          socket.once("connect", () => resume(Effect.succeed(true)))
          socket.once("error", () => resume(Effect.succeed(false)))
          return Effect.sync(() => socket.destroy())
        })
      assert.isTrue(yield* reaches("127.0.0.1"))
      yield* Scope.close(scope, Exit.void)
      assert.isFalse(yield* reaches("127.0.0.1"))
    })
  )

  it.live("fails with ListenFailed when the port is taken", () =>
    Effect.gen(function* () {
      const { address } = yield* (yield* LoopbackWorld.make()).node()
      const other = yield* LoopbackWorld.make({ port: address.port })
      const reason = reasonOf(yield* Effect.exit(other.node()))
      assert.strictEqual(reason?._tag, "ListenFailed")
      assert.include(reason?.message, `127.0.0.1:${address.port}`)
    })
  )

  it.live("fails with ListenFailed when the address is not one of this machine", () =>
    Effect.gen(function* () {
      const other = yield* LoopbackWorld.make({ host: "192.0.2.1" })
      assert.strictEqual(reasonOf(yield* Effect.exit(other.node()))?._tag, "ListenFailed")
    })
  )

  /** Turns of the event loop: as slow as a disk, beside a network that needs a turn for each chunk. */
  const manyTurns = Effect.promise(async () => {
    for (let turn = 0; turn < 500; turn++) await new Promise((resolve) => setImmediate(resolve))
  })

  it.live("holds the peers back while the disk is slow", () =>
    Effect.gen(function* () {
      const world = yield* LoopbackWorld.make()
      const release = sample(48 * 1024 * 1024)
      yield* (yield* world.node()).seed(release.torrent, contentOf(release.bytes))
      const { received, request } = into(release)
      const disk = yield* Semaphore.make(1)
      const fast = contentOf(received)
      let pending = 0
      let most = 0
      const slow: Content = {
        ...fast,
        write: (offset, bytes) =>
          Effect.suspend(() => {
            pending += bytes.length
            most = Math.max(most, pending)
            const write = Effect.andThen(manyTurns, fast.write(offset, bytes))
            return Effect.andThen(
              disk.withPermit(write),
              Effect.sync(() => void (pending -= bytes.length))
            )
          })
      }
      yield* (yield* world.node()).download({ ...request, open: () => Effect.succeed(slow) })
      assert.isTrue(same(received, release.bytes))
      // What was on its way when the peers were held back still arrives.
      assert.isAtMost(most, WRITES_PENDING_MAX_BYTES + 4 * release.torrent.pieceLength)
    })
  )
})
