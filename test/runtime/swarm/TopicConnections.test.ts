/** Connections under an infohash that is no torrent. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { PeerConnection } from "../../../src/runtime/swarm/PeerConnection.ts"
import * as TopicConnections from "../../../src/runtime/swarm/TopicConnections.ts"
import * as Nodes from "./Nodes.ts"
import * as RawPeer from "./RawPeer.ts"

const topic = Nodes.infohashOf("a topic")

/** Answers every message with its reverse. */
const echo = (connection: PeerConnection) => {
  const channel = connection.extensions.register({
    name: "reverse",
    onMessage: (payload) => void channel.send(payload.toReversed())
  })
}

const asking = (question: string, answer: Deferred.Deferred<string>) => (connection: PeerConnection) => {
  const channel = connection.extensions.register({
    name: "reverse",
    onMessage: (payload) => void Deferred.doneUnsafe(answer, Effect.succeed(String.fromCharCode(...payload))),
    onHandshake: () => void channel.send(Buffer.from(question))
  })
}

describe("TopicConnections", () => {
  for (const encryption of ["plain-first", "required"] as const) {
    it.live(`carries messages of an extension between nodes, ${encryption}`, () =>
      Effect.gen(function* () {
        const host = yield* Nodes.node({ encryption })
        yield* TopicConnections.serve(host, topic, echo)
        const guest = yield* Nodes.node()
        const answer = yield* Deferred.make<string>()
        yield* TopicConnections.dial(guest, host.address, topic, asking("hello", answer))
        assert.strictEqual(yield* Deferred.await(answer), "olleh")
      })
    )
  }

  it.live("serves no blocks, and tells who can understand it", () =>
    Effect.gen(function* () {
      const host = yield* Nodes.node()
      yield* TopicConnections.serve(host, topic, echo)
      const guest = yield* Nodes.node()
      const refused = yield* Deferred.make<number>()
      const connection = yield* TopicConnections.dial(guest, host.address, topic, ({ wire }) => {
        wire.receive({ _tag: "AllowedFast", index: 0 })
        wire.on("reject", (index: number) => void Deferred.doneUnsafe(refused, Effect.succeed(index)))
      })
      connection.wire.request(0, 0, 16_384, () => {})
      assert.strictEqual(yield* Deferred.await(refused), 0)
    })
  )

  it.live("lets in a newcomer where two addresses hold every place of the topic", () =>
    Effect.gen(function* () {
      const host = yield* Nodes.node()
      yield* TopicConnections.serve(host, topic, echo)
      const isIn = (localAddress: string) =>
        Effect.gen(function* () {
          const socket = yield* RawPeer.dial({ host: host.address.host, port: host.address.port, localAddress }, topic)
          return yield* Effect.callback<boolean>((resume) => {
            socket.once("data", () => resume(Effect.succeed(true)))
            socket.once("close", () => resume(Effect.succeed(false)))
          })
        })
      for (let i = 0; i < TopicConnections.TOPIC_INCOMING_MAX; i++) {
        assert.isTrue(yield* isIn(`127.0.0.${2 + (i % 2)}`))
      }
      assert.isFalse(yield* isIn("127.0.0.2"))
      assert.isTrue(yield* isIn("127.0.0.1"))
    })
  )

  it.live("ends its connections with its scope, on both sides", () =>
    Effect.gen(function* () {
      const host = yield* Nodes.node()
      const guest = yield* Nodes.node()
      const closed = yield* Deferred.make<void>()
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* TopicConnections.serve(host, topic, echo)
          const connection = yield* TopicConnections.dial(guest, host.address, topic, () => {})
          connection.onClosed(() => void Deferred.doneUnsafe(closed, Effect.void))
        })
      )
      yield* Deferred.await(closed)
      yield* Effect.flip(Effect.scoped(TopicConnections.dial(guest, host.address, topic, () => {})))
    })
  )

  it.live("dials nobody who speaks no extensions", () =>
    Effect.gen(function* () {
      const peer = yield* RawPeer.serve((socket) =>
        socket.once("data", (chunk: Buffer) => {
          // The same without its reserved bits.
          const answer = Buffer.from(chunk.subarray(0, 68))
          answer.fill(0, 20, 28)
          answer.write("-XX0000-raw peer id.", 48)
          socket.write(answer)
        })
      )
      const guest = yield* Nodes.node()
      const failed = yield* Effect.flip(TopicConnections.dial(guest, peer, topic, () => {}))
      assert.include(failed.message, "no extensions")
    })
  )
})
