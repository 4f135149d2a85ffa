/** Turns of those who are dialled, and what becomes of them when something goes wrong that should not. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { Socket } from "node:net"
import { PeerAddress } from "../../../src/protocol/core/PeerAddress.ts"
import { Dialers } from "../../../src/runtime/swarm/Dialers.ts"
import { Fibers } from "../../../src/runtime/swarm/Fibers.ts"
import type { OpenPeer } from "../../../src/runtime/swarm/PeerConnection.ts"

const addresses = [1, 2, 3].map((port) => new PeerAddress({ host: "127.0.0.1", port }))

const peerOn = (socket: Socket): OpenPeer => ({
  socket,
  rest: new Uint8Array(),
  cipher: undefined,
  host: "127.0.0.1",
  port: 1,
  incoming: false,
  extended: false,
  dht: false,
  fast: false
})

describe("Dialers", () => {
  it.live("give the turn of one whose connection cannot be taken on to the next, and close it", () =>
    Effect.gen(function* () {
      const fibers = new Fibers(Context.empty())
      const sockets: Array<Socket> = []
      const all = yield* Deferred.make<void>()
      let ended = 0
      const dialers = new Dialers({
        most: 1,
        run: fibers.run,
        dial: () =>
          Effect.sync(() => {
            const socket = new Socket()
            sockets.push(socket)
            return peerOn(socket)
          }),
        connect: () => {
          throw new Error("no room")
        },
        isWelcome: () => true
      })
      for (const address of addresses) {
        dialers.add(address, {
          mayRetry: () => false,
          onLost: () => {},
          onEnd: () => {
            if (++ended === addresses.length) Deferred.doneUnsafe(all, Effect.void)
          }
        })
      }
      yield* Deferred.await(all)
      assert.strictEqual(dialers.waiting, 0)
      assert.lengthOf(sockets, addresses.length)
      assert.isTrue(sockets.every(({ destroyed }) => destroyed))
      yield* fibers.end
    })
  )

  it.live("take on nobody who was reached after they were stopped", () =>
    Effect.gen(function* () {
      const fibers = new Fibers(Context.empty())
      const socket = new Socket()
      const reached = yield* Deferred.make<OpenPeer>()
      let connected = 0
      const dialers = new Dialers({
        most: 1,
        run: fibers.run,
        dial: () => Deferred.await(reached),
        connect: () => {
          connected++
          throw new Error("nobody should be taken on")
        },
        isWelcome: () => true
      })
      dialers.add(addresses[0]!, { mayRetry: () => true, onLost: () => {}, onEnd: () => {} })
      dialers.stop()
      Deferred.doneUnsafe(reached, Effect.succeed(peerOn(socket)))
      yield* Effect.yieldNow
      yield* fibers.end
      assert.strictEqual(connected, 0)
      assert.isTrue(socket.destroyed)
    })
  )
})
