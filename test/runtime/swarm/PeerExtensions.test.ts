import { assert, describe, it } from "@effect/vitest"
import type * as ExtensionMessage from "../../../src/runtime/swarm/ExtensionMessage.ts"
import { PeerExtensions } from "../../../src/runtime/swarm/PeerExtensions.ts"
import { PeerWire } from "../../../src/runtime/swarm/PeerWire.ts"
import { type Message, PeerWireGuard } from "../../../src/runtime/swarm/PeerWireGuard.ts"

const text = (text: string) => Buffer.from(text, "latin1")

const connected = (speaks = true) => {
  const guard = new PeerWireGuard()
  const sent: Array<Message> = []
  const wire = new PeerWire("192.0.2.1:1", {
    send: (...parts) => void sent.push(...guard.push(Buffer.concat(parts)).messages),
    hasRoom: () => true,
    close: () => {},
    fault: () => {},
    now: () => 0
  })
  const extensions = new PeerExtensions(wire, speaks, { reqq: 500, port: 6881, version: "Test" })
  const spelled = () =>
    sent.map((message) => (message._tag === "Extended" ? [message.id, String.fromCharCode(...message.payload)] : []))
  return { wire, extensions, spelled }
}

const receiving = (extensions: PeerExtensions, name: string) => {
  const got: Array<string> = []
  const channel = extensions.register({ name, onMessage: (payload) => void got.push(String.fromCharCode(...payload)) })
  return { channel, got }
}

describe("PeerExtensions", () => {
  it("tells all that were registered in one handshake, and a late one in another", () => {
    const { extensions, spelled } = connected()
    receiving(extensions, "ut_metadata")
    receiving(extensions, "ls_topic")
    extensions.announceMetadata(() => 77)
    assert.deepStrictEqual(spelled(), [])
    extensions.start()
    const tail = "13:metadata_sizei77e1:pi6881e4:reqqi500e1:v4:Teste"
    assert.deepStrictEqual(spelled(), [[0, `d1:md8:ls_topici2e11:ut_metadatai1ee${tail}`]])
    receiving(extensions, "late")
    assert.deepStrictEqual(spelled()[1], [0, `d1:md4:latei3e8:ls_topici2e11:ut_metadatai1ee${tail}`])
  })

  it("hands messages to whom they are for, and drops those under ids that it never gave", () => {
    const { extensions } = connected()
    const [first, second] = [receiving(extensions, "first"), receiving(extensions, "second")]
    extensions.receive(2, text("two"))
    extensions.receive(1, text("one"))
    extensions.receive(3, text("three"))
    extensions.receive(255, text("none"))
    assert.deepStrictEqual([first.got, second.got], [["one"], ["two"]])
  })

  it("sends under the peer's id, from its handshake on, until it switches the extension off", () => {
    const { extensions, spelled } = connected()
    const { channel } = receiving(extensions, "ls_topic")
    assert.isFalse(channel.send(text("early")))
    extensions.receive(0, text("d1:md8:ls_topici9eee"))
    assert.isTrue(channel.isTaken())
    assert.isTrue(channel.send(text("hello")))
    extensions.receive(0, text("d1:mdee"))
    assert.isTrue(channel.send(text("again")))
    extensions.receive(0, text("d1:md8:ls_topici0eee"))
    assert.isFalse(channel.send(text("late")))
    assert.deepStrictEqual(spelled(), [
      [9, "hello"],
      [9, "again"]
    ])
  })

  it("tells everybody what the peer says of itself, and the wire how many requests it queues", () => {
    const { extensions, wire } = connected()
    const heard: Array<ExtensionMessage.ExtensionHandshake> = []
    const queues: Array<number> = []
    wire.on("queue", (requests: number) => void queues.push(requests))
    extensions.register({ name: "x", onMessage: () => {}, onHandshake: (handshake) => void heard.push(handshake) })
    extensions.receive(0, text("d1:pi80e4:reqqi20e1:v3:abce"))
    assert.strictEqual(heard[0]?.port, 80)
    assert.strictEqual(extensions.peer?.version, "abc")
    assert.deepStrictEqual(queues, [20])
    assert.strictEqual(wire.peerQueue, 20)
  })

  it("ignores a handshake that is none", () => {
    const { extensions } = connected()
    for (const spelled of ["", "i1e", "d1:m", `d1:v9999:${"x".repeat(9_999)}e`]) extensions.receive(0, text(spelled))
    assert.strictEqual(extensions.peer, undefined)
  })

  it("says and hears nothing where the peer speaks no extensions", () => {
    const { extensions, spelled } = connected(false)
    const { channel, got } = receiving(extensions, "x")
    extensions.start()
    extensions.receive(0, text("d1:md1:xi1eee"))
    extensions.receive(1, text("hello"))
    assert.isFalse(channel.send(text("hello")))
    assert.deepStrictEqual([spelled(), got], [[], []])
  })
})
