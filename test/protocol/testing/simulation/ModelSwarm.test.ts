import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { DownloadRequest } from "../../../../src/protocol/swarm/Swarm.ts"
import type { SwarmError } from "../../../../src/protocol/swarm/SwarmError.ts"
import type { Member } from "../../../../src/protocol/testing/simulation/Nodes.ts"
import * as SwarmSuite from "../../swarm/SwarmSuite.ts"
import * as PeerGround from "./PeerGround.ts"

const grounds = PeerGround.inTurn("swarm")

SwarmSuite.suite(
  "simulated",
  Effect.sync((): SwarmSuite.World => {
    const ground = grounds.current()
    let nodes = 0
    return {
      node: (dht) =>
        Effect.suspend(() => ground.swarm(ground.member(`h${++nodes}`), { lookupInterval: "50 millis" }, dht))
    }
  }),
  { run: grounds.run, adjust: Effect.sleep }
)

/** Seeds for as long as the member's process lives. */
const seed = (ground: PeerGround.PeerGround, member: Member, { bytes, torrent }: SwarmSuite.Sample) => {
  const work = Effect.flatMap(ground.swarm(member), (swarm) =>
    swarm.seed(torrent, SwarmSuite.contentOf(Uint8Array.from(bytes)))
  )
  ground.background(member, work)
  return member
}

interface Fetched {
  readonly reason: string | undefined
  readonly isWhole: boolean
  readonly tookMs: number
  readonly received: Uint8Array
}

/** Downloads as a new process of the host `user`, with things that happen some virtual ms after it began. */
const fetch = (
  ground: PeerGround.PeerGround,
  sample: SwarmSuite.Sample,
  options: Partial<DownloadRequest> = {},
  meanwhile: ReadonlyArray<readonly [afterMs: number, happens: () => void]> = [],
  member = ground.member("user")
): Fetched => {
  const { received, request } = SwarmSuite.into(sample, { timeout: "10 minutes", ...options })
  const startedAt = ground.kernel.now
  for (const [afterMs, happens] of meanwhile) ground.kernel.after(afterMs, happens)
  // Whoever seeds has announced itself by then.
  const work = Effect.flatMap(ground.swarm(member), (swarm) =>
    Effect.andThen(Effect.sleep(10), swarm.download(request))
  )
  const ended = ground.run(
    Effect.callback<unknown, SwarmError>((resume) => void member.process.fork(Effect.scoped(work), resume))
  )
  return {
    reason: SwarmSuite.reasonOf(ended)?._tag,
    isWhole: Exit.isSuccess(ended) && SwarmSuite.same(received, sample.bytes),
    tookMs: ground.kernel.now - startedAt,
    received
  }
}

const isNear = (actual: number, expected: number, share: number) =>
  assert.isTrue(Math.abs(actual - expected) <= expected * share, `${actual} is not near ${expected}`)

/** Whether every piece is the true one or was never written. */
const hasNoWrongPiece = (sample: SwarmSuite.Sample, received: Uint8Array): boolean => {
  const { pieceLength } = sample.torrent
  for (let at = 0; at < received.length; at += pieceLength) {
    const piece = received.subarray(at, at + pieceLength)
    if (!SwarmSuite.same(piece, sample.bytes.subarray(at, at + pieceLength)) && piece.some((byte) => byte !== 0)) {
      return false
    }
  }
  return true
}

describe("Peers of a simulation", () => {
  it("fetch 100 KB at 10 KB/s in about 10 virtual seconds", () => {
    const ground = PeerGround.make(1)
    const release = SwarmSuite.sample(100_000)
    seed(ground, ground.member("seeder"), release)
    ground.peers.bandwidth("seeder", 10_000)
    const { isWhole, tookMs } = fetch(ground, release)
    assert.isTrue(isWhole)
    isNear(tookMs, 10_000, 0.1)
  })

  it("fetch faster from several slow peers", () => {
    const ground = PeerGround.make(2)
    const release = SwarmSuite.sample(200_000)
    for (const name of ["a", "b", "c", "d"]) {
      seed(ground, ground.member(name), release)
      ground.peers.bandwidth(name, 10_000)
    }
    const { isWhole, tookMs } = fetch(ground, release)
    assert.isTrue(isWhole)
    assert.isBelow(tookMs, 10_000)
  })

  it("fetch large pieces over a link so slow that each takes longer than a peer may keep silent", () => {
    const ground = PeerGround.make(3)
    const release = SwarmSuite.sample(1_000_000)
    seed(ground, ground.member("seeder"), release)
    ground.peers.bandwidth("seeder", 5_000)
    const { isWhole, tookMs } = fetch(ground, release)
    assert.isTrue(isWhole)
    isNear(tookMs, 200_000, 0.1)
  })

  it("complete with 30 % of the packets lost", () => {
    for (let i = 0; i < 20; i++) {
      const ground = PeerGround.make(`loss ${i}`)
      ground.weather.change((before) => ({ ...before, lossShare: 0.3 }))
      const release = SwarmSuite.sample(150_000)
      seed(ground, ground.member("seeder"), release)
      const { isWhole, reason } = fetch(ground, release, i % 2 === 0 ? {} : { torrent: undefined })
      assert.isTrue(isWhole, `${i}: ${reason}`)
    }
  })

  it("go on after a partition in the middle, short or long", () => {
    for (const lastsMs of [3_000, 100_000]) {
      const ground = PeerGround.make(4)
      const release = SwarmSuite.sample(200_000)
      seed(ground, ground.member("seeder"), release)
      ground.peers.bandwidth("seeder", 20_000)
      let heal: () => void = () => undefined
      const { isWhole, tookMs } = fetch(ground, release, {}, [
        [4_000, () => void (heal = ground.weather.cut((from, to) => from !== to))],
        [4_000 + lastsMs, () => heal()]
      ])
      assert.isTrue(isWhole)
      assert.isAbove(tookMs, 4_000 + lastsMs)
      assert.isBelow(tookMs, 10_000 + lastsMs + 30_000)
    }
  })

  it("end at the deadline in a partition that does not heal, and keep what came", () => {
    const ground = PeerGround.make(5)
    const release = SwarmSuite.sample(200_000)
    seed(ground, ground.member("seeder"), release)
    ground.peers.bandwidth("seeder", 20_000)
    const { reason, received, tookMs } = fetch(ground, release, { timeout: "60 seconds" }, [
      [5_000, () => void ground.weather.cut((from, to) => from !== to)]
    ])
    assert.strictEqual(reason, "DownloadStalled")
    isNear(tookMs, 60_000, 0.01)
    assert.isTrue(received.some((byte) => byte !== 0))
    assert.isTrue(hasNoWrongPiece(release, received))
  })

  it("ban a corrupt peer among honest ones and complete", () => {
    for (let i = 0; i < 10; i++) {
      const ground = PeerGround.make(`corrupt ${i}`)
      const release = SwarmSuite.sample(300_000)
      for (const name of ["liar", "a", "b"]) seed(ground, ground.member(name), release)
      ground.peers.behave("liar", "corrupt")
      const { isWhole } = fetch(ground, release, i % 2 === 0 ? {} : { torrent: undefined })
      assert.isTrue(isWhole)
    }
  })

  it("fail with CorruptPeers where everyone is corrupt, and take no wrong byte", () => {
    for (let i = 0; i < 10; i++) {
      const ground = PeerGround.make(`corrupt ${i}`)
      const release = SwarmSuite.sample(i % 2 === 0 ? 300_000 : 2_000)
      for (const name of ["a", "b"]) {
        seed(ground, ground.member(name), release)
        ground.peers.behave(name, "corrupt")
      }
      const { received, reason } = fetch(ground, release, i < 5 ? {} : { torrent: undefined })
      assert.strictEqual(reason, "CorruptPeers")
      assert.isTrue(hasNoWrongPiece(release, received))
    }
  })

  it("complete beside a peer that stalls from the beginning, or from the middle on", () => {
    for (const afterMs of [0, 3_000]) {
      const ground = PeerGround.make(6)
      const release = SwarmSuite.sample(200_000)
      for (const name of ["stalling", "honest"]) {
        seed(ground, ground.member(name), release)
        ground.peers.bandwidth(name, 10_000)
      }
      const stall = () => ground.peers.behave("stalling", "stalls")
      const { isWhole, tookMs } = fetch(ground, release, {}, [[afterMs, stall]])
      assert.isTrue(isWhole)
      assert.isBelow(tookMs, 40_000)
    }
  })

  it("fail with NoPeers where the only peer never greets, and with DownloadStalled where it stops later", () => {
    const release = SwarmSuite.sample(200_000)
    const reasonAt = (afterMs: number) => {
      const ground = PeerGround.make(7)
      seed(ground, ground.member("stalling"), release)
      ground.peers.bandwidth("stalling", 10_000)
      const stall = () => ground.peers.behave("stalling", "stalls")
      return fetch(ground, release, { timeout: "2 minutes" }, [[afterMs, stall]]).reason
    }
    assert.strictEqual(reasonAt(0), "NoPeers")
    assert.strictEqual(reasonAt(5_000), "DownloadStalled")
  })

  it("go on with another seeder when one loses power in the middle", () => {
    const ground = PeerGround.make(8)
    const release = SwarmSuite.sample(200_000)
    const [first] = ["first", "second"].map((name) => {
      ground.peers.bandwidth(name, 10_000)
      return seed(ground, ground.member(name), release)
    })
    const { isWhole, tookMs } = fetch(ground, release, {}, [[5_000, () => first?.process.kill()]])
    assert.isTrue(isWhole)
    assert.isAbove(tookMs, 12_000)
    assert.isBelow(tookMs, 35_000)
  })

  it("find a seeder again that lost power and was started anew, and whoever comes later", () => {
    for (const name of ["seeder", "other"]) {
      const ground = PeerGround.make(9)
      const release = SwarmSuite.sample(200_000)
      const first = seed(ground, ground.member("seeder"), release)
      for (const host of ["seeder", "other"]) ground.peers.bandwidth(host, 20_000)
      const { isWhole, tookMs } = fetch(ground, release, {}, [
        [3_000, () => first.process.kill()],
        [60_000, () => void seed(ground, ground.member(name), release)]
      ])
      assert.isTrue(isWhole)
      assert.isAbove(tookMs, 60_000)
    }
  })

  it("offer nothing of a process that was killed", () => {
    const ground = PeerGround.make(10)
    const release = SwarmSuite.sample(2_000)
    const seeder = seed(ground, ground.member("seeder"), release)
    ground.run(Effect.sleep(100))
    seeder.process.kill()
    ground.background(ground.member("seeder"), ground.swarm(ground.member("seeder")))
    assert.strictEqual(fetch(ground, release).reason, "NoPeers")
  })

  it("reach nobody behind a NAT, who downloads from others all the same", () => {
    const ground = PeerGround.make(11)
    const [hidden, open] = [SwarmSuite.sample(50_000, 1), SwarmSuite.sample(50_000, 2)]
    seed(ground, ground.member("hidden"), hidden)
    seed(ground, ground.member("open"), open)
    ground.weather.translate("hidden", true)
    assert.strictEqual(fetch(ground, hidden).reason, "NoPeers")
    assert.isTrue(fetch(ground, open, {}, [], ground.member("hidden")).isWhole)
  })

  it("stop with their process, and leave no fiber behind when they end", () => {
    const ground = PeerGround.make(12)
    const release = SwarmSuite.sample(200_000)
    seed(ground, ground.member("seeder"), release)
    ground.peers.bandwidth("seeder", 10_000)
    const user = ground.member("user")
    let lines = 0
    fetch(ground, release, {}, [[5_000, () => ((lines = ground.trace.count), user.process.kill())]], user)
    assert.isBelow(ground.kernel.elapsedMs, 6_000)
    ground.run(Effect.sleep("10 minutes"))
    assert.isAtMost(ground.trace.count, lines + 1)
    assert.isTrue(fetch(ground, release).isWhole)
    assert.deepStrictEqual(
      ground.kernel.running.map(({ name }) => name),
      ["seeder"]
    )
  })

  it("leave a trace that can be read", () => {
    const ground = PeerGround.make(13)
    const release = SwarmSuite.sample(20_000)
    seed(ground, ground.member("seeder"), release)
    assert.isTrue(fetch(ground, release, { torrent: undefined }).isWhole)
    const texts = ground.trace.entries.map(({ from, text, to }) => `${from} ${to}: ${text}`)
    const short = Buffer.from(release.torrent.infohash).toString("hex").slice(0, 6)
    assert.sameMembers(texts, [
      `user seeder: hello, about ${short}`,
      "seeder user: hello",
      `user seeder: info of ${short}`,
      `seeder user: info, ${release.torrent.info.length} bytes`,
      `user seeder: piece 0 of ${short}`,
      `user seeder: piece 1 of ${short}`,
      "seeder user: piece 0, 16384 bytes",
      "seeder user: piece 1, 3616 bytes"
    ])
  })

  it("have one trace for each seed, whatever happens", () => {
    const hashOf = (label: string) => {
      const ground = PeerGround.make(label)
      const release = SwarmSuite.sample(300_000)
      const members = ["a", "b", "c", "d"].map((name) => {
        ground.peers.bandwidth(name, 20_000)
        return seed(ground, ground.member(name), release)
      })
      ground.weather.change((before) => ({ ...before, lossShare: 0.1 }))
      ground.peers.behave("b", "corrupt")
      ground.peers.behave("c", "stalls")
      const { isWhole } = fetch(ground, release, { torrent: undefined }, [[4_000, () => members[0]?.process.kill()]])
      assert.isTrue(isWhole)
      return ground.trace.hash
    }
    assert.strictEqual(hashOf("x"), hashOf("x"))
    assert.notStrictEqual(hashOf("x"), hashOf("y"))
  })
})
