import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createSocket } from "node:dgram"
import { refusalOf } from "../../../src/runtime/swarm/Utp.ts"
import * as Nodes from "./Nodes.ts"

/** As libtorrent sends it: SYN, version 1, connection 0x1234, a window of 1 MiB, sequence number 0xabcd. */
const syn = Buffer.from("41001234000000010000000000100000abcd0000", "hex")

const socket = Effect.acquireRelease(
  Effect.sync(() => createSocket("udp4").on("error", () => {})),
  (socket) => Effect.sync(() => socket.close())
)

describe("uTP", () => {
  it("is refused with a reset of the same connection that acknowledges the opening", () => {
    const refusal = Buffer.from(refusalOf(syn) ?? [])
    assert.strictEqual(refusal.length, syn.length)
    assert.strictEqual(refusal[0], 0x31)
    assert.strictEqual(refusal.readUInt16BE(2), 0x1234)
    assert.strictEqual(refusal.readUInt16BE(18), 0xabcd)
  })

  it("is refused only when it opens a connection", () => {
    for (const first of [0x01, 0x11, 0x21, 0x31, 0x40, 0x51, "d".charCodeAt(0)]) {
      const other = Buffer.from(syn)
      other[0] = first
      assert.strictEqual(refusalOf(other), undefined)
    }
    assert.strictEqual(refusalOf(syn.subarray(0, 19)), undefined)
    assert.strictEqual(refusalOf(new Uint8Array()), undefined)
  })

  it.live("is refused on the UDP port beside the TCP port, so that others go over to TCP", () =>
    Effect.gen(function* () {
      const node = yield* Nodes.node()
      const client = yield* socket
      const answer = yield* Effect.callback<Buffer>((resume) => {
        client.on("message", (datagram) => resume(Effect.succeed(datagram)))
        client.send(syn, node.address.port, node.address.host)
      })
      assert.deepStrictEqual(answer, Buffer.from(refusalOf(syn) ?? []))
    })
  )

  it.live("is left alone where another has the UDP port", () =>
    Effect.gen(function* () {
      const other = yield* socket
      const port = yield* Effect.callback<number>((resume) => {
        other.bind(0, "127.0.0.1", () => resume(Effect.succeed(other.address().port)))
      })
      const node = yield* Nodes.node({ port })
      assert.strictEqual(node.address.port, port)
    })
  )
})
