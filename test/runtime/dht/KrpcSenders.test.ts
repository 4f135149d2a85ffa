import { assert, describe, it } from "@effect/vitest"
import {
  FREE_RATIO,
  REAL_BURST_BYTES,
  STRANGER_BURST_BYTES,
  STRANGER_RATE_BYTES,
  STRANGERS_BURST_BYTES
} from "../../../src/runtime/dht/KrpcReplyBytes.ts"
import { REAL_LIFETIME_MS } from "../../../src/runtime/dht/RealHosts.ts"
import {
  type Admission,
  defaultRateLimits,
  IDENTITIES_PER_HOST_MAX,
  IDENTITY_LIFETIME_MS,
  KrpcSenders,
  type RateLimits,
  SENDERS_MAX
} from "../../../src/runtime/dht/KrpcSenders.ts"

const HOST = "8.8.4.4"
const PRIVATE_HOSTS = ["127.0.0.1", "10.1.2.3", "192.168.1.1", "172.31.255.255", "169.254.0.1", "100.127.0.1"]
const PUBLIC_HOSTS = [HOST, "11.0.0.1", "172.32.0.1", "192.169.0.1", "169.253.0.1", "100.128.0.1", "128.0.0.1"]

/** One full reply to `get` of the smallest query that draws it. */
const QUERY_BYTES = 95
const REPLY_BYTES = 1_300

const make = (limits: Partial<RateLimits> = {}) => {
  let now = 0
  const senders = new KrpcSenders(() => now, { ...defaultRateLimits, ...limits })
  return { senders, advance: (ms: number) => void (now += ms) }
}

/** Ever new hosts of the Internet. */
const forged = (i: number): string => `${11 + (i % 50)}.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}:6881`

const idOf = (byte: number): Uint8Array => new Uint8Array(20).fill(byte)

/** How many of `count` queries, each from the peer that `peerOf` names, are admitted. */
const admitted = (senders: KrpcSenders, count: number, peerOf: (i: number) => string): number =>
  Array.from({ length: count }, (_, i) => senders.admit(peerOf(i))).filter((each) => each === "admitted").length

describe("KrpcSenders", () => {
  describe("limits queries", () => {
    it("of one address of the Internet, all its ports together, at the edge and past it", () => {
      for (const host of PUBLIC_HOSTS) {
        const { senders, advance } = make({ hostRate: 10, hostBurst: 50 })
        assert.strictEqual(
          admitted(senders, 50, (i) => `${host}:${i + 1}`),
          50,
          host
        )
        assert.strictEqual(senders.admit(`${host}:60000`), "rate-limited-sender")
        advance(100)
        assert.strictEqual(
          admitted(senders, 2, (i) => `${host}:${i + 1}`),
          1
        )
        assert.strictEqual(senders.admit("9.9.9.9:1"), "admitted", "others are served")
      }
    })

    it("of each address and port of a private network", () => {
      for (const host of PRIVATE_HOSTS) {
        const { senders } = make({ senderRate: 10, senderBurst: 5, hostBurst: 1 })
        for (const port of [1, 2]) {
          assert.strictEqual(
            admitted(senders, 6, () => `${host}:${port}`),
            5,
            host
          )
        }
      }
    })

    it("of all together", () => {
      const { senders, advance } = make({ totalRate: 10, totalBurst: 3 })
      const peerOf = (i: number) => `${i + 1}.1.1.1:1`
      assert.strictEqual(admitted(senders, 3, peerOf), 3)
      assert.strictEqual<Admission>(senders.admit("99.1.1.1:1"), "rate-limited-total")
      advance(200)
      assert.strictEqual(admitted(senders, 3, peerOf), 2)
    })

    it("of a host of the Internet far above what honest nodes send, and far below what floods", () => {
      const { senders } = make()
      assert.strictEqual(
        admitted(senders, 5_000, (i) => `${HOST}:${i}`),
        defaultRateLimits.hostBurst
      )
    })

    it("with bounded memory, whoever is named", () => {
      const { senders } = make({ hostRate: 0.001, hostBurst: 1, totalBurst: SENDERS_MAX * 3 })
      const peerOf = (i: number) => `${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}.1:1`
      assert.strictEqual(senders.admit(`${HOST}:1`), "admitted")
      assert.strictEqual(senders.admit(`${HOST}:1`), "rate-limited-sender")
      assert.strictEqual(admitted(senders, SENDERS_MAX, peerOf), SENDERS_MAX)
      assert.strictEqual(senders.admit(`${HOST}:1`), "admitted", "forgotten")
    })
  })

  describe("keeps something back for hosts that have shown that they are there", () => {
    const limits = { totalRate: 10, totalBurst: 100, reserveRate: 10, reserveBurst: 50 }
    const FLOOD = 3 * SENDERS_MAX

    it("while forged sources take all that strangers have", () => {
      for (const peer of [`${HOST}:1`, "127.0.0.1:1"]) {
        const { advance, senders } = make(limits)
        senders.noteReal(peer, idOf(1))
        assert.strictEqual(admitted(senders, FLOOD, forged), 100)
        assert.strictEqual<Admission>(senders.admit("9.9.9.9:1"), "rate-limited-total")
        assert.strictEqual(
          admitted(senders, 60, () => peer),
          50
        )
        assert.isFalse(senders.isKnownAs(peer, idOf(2)), "nobody is forgotten")
        advance(1_000)
        admitted(senders, FLOOD, forged)
        assert.strictEqual(
          admitted(senders, 60, () => peer),
          10
        )
      }
    })

    it("in full, by the limits that hold unless others are given", () => {
      const { advance, senders } = make()
      senders.noteReal(`${HOST}:1`)
      admitted(senders, 20_000, forged)
      let answered = 0
      for (let i = 0; i < 149; i++) {
        advance(10)
        admitted(senders, 200, (n) => forged(20_000 + i * 200 + n))
        answered += admitted(senders, 1, () => `${HOST}:1`)
      }
      assert.strictEqual(answered, 149)
    })

    it("within the limit of each, and no longer than it is known", () => {
      const { advance, senders } = make({ ...limits, hostRate: 0.000_001, hostBurst: 20, totalRate: 0.000_001 })
      senders.noteReal(`${HOST}:1`)
      assert.strictEqual(
        admitted(senders, 30, () => `${HOST}:1`),
        20
      )
      admitted(senders, FLOOD, forged)
      advance(REAL_LIFETIME_MS)
      assert.strictEqual<Admission>(senders.admit(`${HOST}:2`), "rate-limited-total")
      senders.noteReal(`${HOST}:1`)
      assert.strictEqual<Admission>(senders.admit(`${HOST}:2`), "admitted")
    })
  })

  describe("knows a sender by the node id that it answered under", () => {
    const PEERS = [`${HOST}:1`, "127.0.0.1:1"]

    it("and by none before that, whatever somebody wrote in its name", () => {
      for (const peer of PEERS) {
        const { senders } = make()
        for (let i = 1; i < 9; i++) assert.isTrue(senders.isKnownAs(peer, idOf(i)))
        senders.noteReal(peer)
        for (let i = 1; i < 9; i++) assert.isTrue(senders.isKnownAs(peer, idOf(i)), "a token says nothing of an id")
        senders.noteReal(peer, idOf(1))
        assert.isTrue(senders.isKnownAs(peer, idOf(1)))
        assert.isFalse(senders.isKnownAs(peer, idOf(2)))
      }
    })

    it("until that is old, or it has answered under another", () => {
      for (const peer of PEERS) {
        const { senders, advance } = make()
        senders.noteReal(peer, idOf(1))
        advance(IDENTITY_LIFETIME_MS - 1)
        assert.isFalse(senders.isKnownAs(peer, idOf(2)))
        advance(1)
        assert.isTrue(senders.isKnownAs(peer, idOf(2)))
        senders.noteReal(peer, idOf(2))
        assert.isFalse(senders.isKnownAs(peer, idOf(1)))
        senders.noteReal(peer, idOf(3))
        assert.isTrue(senders.isKnownAs(peer, idOf(3)))
        assert.isFalse(senders.isKnownAs(peer, idOf(2)))
      }
    })

    it("whatever becomes of the bytes that it was read from", () => {
      for (const peer of PEERS) {
        const { senders } = make()
        const datagram = new Uint8Array(40).fill(1)
        senders.noteReal(peer, datagram.subarray(10, 30))
        datagram.fill(2)
        assert.isTrue(senders.isKnownAs(peer, idOf(1)))
        assert.isFalse(senders.isKnownAs(peer, idOf(2)))
      }
    })

    it("at a few ports of one host of the Internet, and at every port of a private one", () => {
      const { senders, advance } = make()
      const known = (host: string) =>
        Array.from({ length: IDENTITIES_PER_HOST_MAX + 3 }, (_, port) => {
          const isKnown = senders.isKnownAs(`${host}:${port}`, idOf(port))
          senders.noteReal(`${host}:${port}`, idOf(port))
          return isKnown
        })
      assert.lengthOf(known(HOST).filter(Boolean), IDENTITIES_PER_HOST_MAX)
      assert.lengthOf(known("192.168.0.2").filter(Boolean), IDENTITIES_PER_HOST_MAX + 3)
      assert.isTrue(senders.isKnownAs(`${HOST}:0`, idOf(0)), "whoever was first stays")
      advance(IDENTITY_LIFETIME_MS)
      assert.isTrue(senders.isKnownAs(`${HOST}:60000`, idOf(9)))
      senders.noteReal(`${HOST}:60000`, idOf(9))
      assert.isFalse(senders.isKnownAs(`${HOST}:60000`, idOf(8)))
    })
  })

  describe("holds nobody to anything for longer where its clock is set back", () => {
    it("neither to an identity, nor for real", () => {
      const { advance, senders } = make({ totalRate: 1, totalBurst: 1 })
      advance(IDENTITY_LIFETIME_MS)
      senders.noteReal(`${HOST}:1`, idOf(1))
      advance(-1)
      assert.isTrue(senders.isKnownAs(`${HOST}:1`, idOf(2)))
      assert.strictEqual<Admission>(senders.admit("9.9.9.9:1"), "admitted")
      assert.strictEqual<Admission>(senders.admit(`${HOST}:1`), "rate-limited-total")
    })

    it("nor to a limit: that neither drains nor stands still", () => {
      const { advance, senders } = make({ hostRate: 10, hostBurst: 5 })
      const asked = (count: number) => admitted(senders, count, () => `${HOST}:1`)
      advance(3_600_000)
      assert.strictEqual(asked(4), 4)
      advance(-3_600_000)
      assert.strictEqual(asked(3), 1)
      advance(200)
      assert.strictEqual(asked(3), 2)
    })
  })

  describe("bounds what a forged query draws onto its victim", () => {
    const drawn = (senders: KrpcSenders, queries: number, peerOf: (i: number) => string): number =>
      Array.from({ length: queries }, (_, i) => senders.mayReply(peerOf(i), QUERY_BYTES, REPLY_BYTES)).filter(Boolean)
        .length * REPLY_BYTES
    const victim = (i: number) => `${HOST}:${i + 1}`

    it("to a few long replies at once, and a trickle", () => {
      const { senders, advance } = make()
      const atOnce = drawn(senders, 10_000, victim)
      assert.isAtMost(atOnce, STRANGER_BURST_BYTES)
      assert.isAbove(atOnce, STRANGER_BURST_BYTES - REPLY_BYTES)
      advance(60_000)
      assert.isAtMost(
        drawn(senders, 10_000, victim),
        Math.min(STRANGER_BURST_BYTES, 60 * STRANGER_RATE_BYTES) + REPLY_BYTES
      )
    })

    it("and always lets replies go that are hardly longer than their query", () => {
      const { senders } = make()
      assert.isTrue(senders.mayReply(victim(0), 1, STRANGER_BURST_BYTES), "nothing is left")
      assert.isTrue(senders.mayReply(victim(0), QUERY_BYTES, QUERY_BYTES * FREE_RATIO))
      assert.isFalse(senders.mayReply(victim(0), QUERY_BYTES, QUERY_BYTES * FREE_RATIO + 1))
    })

    it("to more where somebody is, for as long as is known", () => {
      const { senders, advance } = make()
      senders.noteReal(victim(0))
      const atOnce = drawn(senders, 10_000, victim)
      assert.isAtMost(atOnce, REAL_BURST_BYTES)
      assert.isAbove(atOnce, REAL_BURST_BYTES - REPLY_BYTES)
      advance(REAL_LIFETIME_MS)
      assert.isAtMost(drawn(senders, 10_000, victim), STRANGER_BURST_BYTES)
      senders.noteReal(victim(0))
      assert.isAbove(drawn(senders, 10_000, victim), STRANGER_BURST_BYTES)
    })

    it("on all victims together", () => {
      const { senders } = make()
      const many = (i: number) => `${1 + (i & 7)}.${(i >> 3) & 255}.${i >> 11}.7:1`
      assert.isAtMost(drawn(senders, 10_000, many), STRANGERS_BURST_BYTES)
      senders.noteReal(`${HOST}:1`)
      assert.isTrue(senders.mayReply(`${HOST}:1`, QUERY_BYTES, REPLY_BYTES), "who is there is served")
    })

    it("on victims of one network, and leaves the rest to others", () => {
      const { senders } = make()
      drawn(senders, 10_000, (i) => `20.${(i >> 8) & 255}.${i & 255}.7:1`)
      assert.isFalse(senders.mayReply("20.255.255.8:1", QUERY_BYTES, REPLY_BYTES))
      for (let i = 30; i < 130; i++) assert.isTrue(senders.mayReply(`${i}.1.1.1:1`, QUERY_BYTES, REPLY_BYTES))
    })

    it("but not in private networks", () => {
      const { senders } = make()
      assert.strictEqual(
        drawn(senders, 10_000, () => "127.0.0.1:1"),
        10_000 * REPLY_BYTES
      )
    })
  })
})
