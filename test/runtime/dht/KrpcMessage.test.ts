import { assert, describe, it } from "@effect/vitest"
import { type Asker, hostAt, isPublicHost, isReachable, portAt, write } from "../../../src/runtime/dht/KrpcAddresses.ts"
import { ASKER_BYTES, encodeFailure, encodeResponse, withAsker } from "../../../src/runtime/dht/KrpcMessage.ts"
import { asBytes, loose, read, text } from "./LiveNode.ts"

const ASKERS: ReadonlyArray<Asker> = [
  { address: "1.2.3.4", port: 6881 },
  { address: "255.0.10.200", port: 1 },
  { address: "127.0.0.1", port: 65_535 }
]

describe("KrpcMessage", () => {
  describe("names the asker in a reply", () => {
    const ids = [1, 2, 4, 9, 10, 32].map((length) => new Uint8Array(length).fill(0x65))
    const replies = (t: Uint8Array) => [
      encodeResponse(t, { id: new Uint8Array(20), nodes: new Uint8Array(52) }),
      encodeFailure(t, 203, "bad e1:t2:aa1:y1:ee"),
      loose({ e: [201, text(""), [1]], t, y: text("e") }),
      loose({ e: text("odd"), t, y: text("e") })
    ]

    it("of any kind, which stays canonical and keeps the rest as it was", () => {
      for (const t of ids) {
        for (const reply of replies(t)) {
          for (const asker of ASKERS) {
            const named = withAsker(reply, t, asker)
            assert.lengthOf(named, reply.length + ASKER_BYTES)
            const { ip, ...rest } = read(named)
            assert.deepEqual({ ...rest }, { ...read(reply) })
            assert.deepEqual({ address: hostAt(asBytes(ip), 0), port: portAt(asBytes(ip), 0) }, asker)
            const parts = { ip: asBytes(ip), ...read(reply) }
            assert.deepEqual(Buffer.from(named), Buffer.from(loose(parts as never)))
          }
        }
      }
    })
  })
})

describe("KrpcAddresses", () => {
  it("writes what it reads", () => {
    for (const asker of ASKERS) {
      const bytes = new Uint8Array(10).fill(9)
      write(asker, bytes, 2)
      assert.deepEqual({ address: hostAt(bytes, 2), port: portAt(bytes, 2) }, asker)
      assert.deepEqual([bytes[1], bytes[8]], [9, 9])
    }
  })

  it("tells local networks from the Internet at their edges", () => {
    const local = ["10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.9.9", "127.0.0.1", "169.254.1.1", "172.16.0.0"]
    const open = ["9.255.255.255", "11.0.0.0", "100.63.0.0", "100.128.0.0", "128.0.0.1", "169.255.1.1", "172.15.0.0"]
    for (const host of [...local, "172.31.255.255", "192.168.255.1"]) assert.isFalse(isPublicHost(host), host)
    for (const host of [...open, "172.32.0.0", "192.167.1.1", "192.169.1.1"]) assert.isTrue(isPublicHost(host), host)
  })

  it("knows what nobody can be reached at", () => {
    const at = (host: ReadonlyArray<number>, port = 1) =>
      isReachable(Uint8Array.from([...host, port >> 8, port]), 0, true)
    assert.isTrue(at([1, 0, 0, 0]))
    assert.isTrue(at([223, 255, 255, 255]))
    assert.isFalse(at([0, 255, 255, 255]))
    assert.isFalse(at([224, 0, 0, 1]))
    assert.isFalse(at([8, 8, 8, 8], 0))
    assert.isFalse(at([127, 0, 0, 1]))
  })
})
