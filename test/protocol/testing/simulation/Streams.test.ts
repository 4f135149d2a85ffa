import { assert, describe, it } from "@effect/vitest"
import { type Ending, PORT, type Talk } from "../../../../src/protocol/testing/simulation/streams/Streams.ts"
import type { Member } from "../../../../src/protocol/testing/simulation/Nodes.ts"
import * as PeerGround from "./PeerGround.ts"

/** A question is the number of bytes that the answer is to have. */
const stage = (seed: number) => {
  const ground = PeerGround.make(seed)
  const talk: Talk<number, number> = ground.peers.streams.talk({
    question: (bytes) => ({ text: `give ${bytes}`, bytes: 20 }),
    answer: (bytes) => ({ text: `${bytes} bytes`, bytes })
  })
  const server = ground.member("server")
  const unlisten = talk.listen(server, (bytes, reply) => {
    reply(bytes)
    return () => undefined
  })
  const asking = (from: Member, to: Member, questions: ReadonlyArray<number>, limitMs = 8_000) => {
    const answered: Array<{ readonly bytes: number | undefined; readonly atMs: number }> = []
    const endings: Array<Ending> = []
    const connection = talk.connect({
      from,
      to: `${to.host}:${PORT}`,
      limitMs,
      onEnd: (ending) => void endings.push(ending)
    })
    for (const question of questions) {
      connection.ask(question, (bytes) => void answered.push({ bytes, atMs: ground.kernel.elapsedMs }))
    }
    return { answered, endings, connection }
  }
  /** Until nothing is left to happen. */
  const drain = () => void ground.kernel.run(() => false, Infinity)
  const passMs = (ms: number) => {
    let isOver = false
    ground.kernel.after(ms, () => void (isOver = true))
    ground.kernel.run(() => isOver, Infinity)
  }
  return { ground, talk, server, client: ground.member("client"), unlisten, asking, drain, passMs }
}

const isNear = (actual: number, expected: number, share: number) =>
  assert.isTrue(Math.abs(actual - expected) <= expected * share, `${actual} is not near ${expected}`)

describe("Streams", () => {
  it("answers a question a round trip after the handshake, with a line for each in the trace", () => {
    const { asking, client, drain, ground, server } = stage(1)
    const { answered, endings } = asking(client, server, [100])
    drain()
    assert.strictEqual(answered.length, 1)
    assert.strictEqual(answered[0]?.bytes, 100)
    assert.isAtLeast(answered[0]?.atMs ?? 0, 4 * 5)
    assert.deepStrictEqual(
      ground.trace.entries.map(({ from, kind, text, to }) => [kind, from, to, text]),
      [
        ["sent", "client", "server", "give 100"],
        ["sent", "server", "client", "100 bytes"]
      ]
    )
    assert.deepStrictEqual(endings, [])
  })

  it("takes as long as the slower of both links needs", () => {
    for (const slow of ["client", "server"]) {
      const { asking, client, drain, ground, server } = stage(2)
      ground.peers.bandwidth(slow, 10_000)
      const { answered } = asking(client, server, [100_000])
      drain()
      isNear(answered[0]?.atMs ?? 0, 10_000, 0.1)
    }
  })

  it("shares a link between streams, and does not let a slow one hold up a fast one", () => {
    const { asking, client, drain, ground, server, talk } = stage(3)
    ground.peers.bandwidth("server", 20_000)
    const other = ground.member("other")
    const fast = ground.member("fast")
    talk.listen(fast, (bytes, reply) => {
      reply(bytes)
      return () => undefined
    })
    const one = asking(client, server, [100_000])
    const two = asking(other, server, [100_000])
    const three = asking(client, fast, [1_000_000])
    drain()
    isNear(one.answered[0]?.atMs ?? 0, 10_000, 0.2)
    isNear(two.answered[0]?.atMs ?? 0, 10_000, 0.2)
    // A window of 32 KiB each delay of a packet.
    assert.isBelow(three.answered[0]?.atMs ?? Infinity, 4_000)
  })

  it("loses nothing where packets are lost, and takes longer", () => {
    const timeOf = (lossShare: number) => {
      const { asking, client, drain, ground, server } = stage(4)
      ground.weather.change((before) => ({ ...before, lossShare }))
      const { answered } = asking(client, server, Array(20).fill(50_000), 60_000)
      drain()
      assert.strictEqual(answered.filter(({ bytes }) => bytes === 50_000).length, 20)
      return Math.max(...answered.map(({ atMs }) => atMs))
    }
    const [none, some] = [timeOf(0), timeOf(0.3)]
    assert.isAbove(some, 1.5 * none)
  })

  it("waits for a partition to heal, whichever way it cuts", () => {
    for (const cutOff of ["client", "server"]) {
      const { asking, client, drain, ground, passMs, server } = stage(5)
      ground.peers.bandwidth("server", 100_000)
      const { answered } = asking(client, server, [400_000], 20_000)
      passMs(1_000)
      const heal = ground.weather.cut((from) => from === cutOff)
      passMs(6_000)
      heal()
      drain()
      assert.strictEqual(answered[0]?.bytes, 400_000)
      assert.isAbove(answered[0]?.atMs ?? 0, 4_000 + 6_000)
      assert.strictEqual(ground.trace.entries.filter(({ text }) => text === "400000 bytes: cut off").length, 1)
    }
  })

  it("gives up when nothing comes for too long, and not while something comes", () => {
    const { asking, client, drain, ground, passMs, server } = stage(6)
    ground.peers.bandwidth("server", 10_000)
    const patient = asking(client, server, [200_000], 4_000)
    passMs(10_000)
    ground.weather.cut((from) => from === "server")
    drain()
    assert.deepStrictEqual(patient.endings, ["silent"])
    assert.strictEqual(patient.answered[0]?.bytes, undefined)
    assert.isAbove(patient.answered[0]?.atMs ?? 0, 13_000)
    assert.isBelow(patient.answered[0]?.atMs ?? 0, 18_000)
  })

  it("opens no connection into a NAT, and opens them out of it", () => {
    const { asking, client, drain, ground, server } = stage(7)
    ground.weather.translate("server", true)
    const { endings } = asking(client, server, [1])
    drain()
    assert.deepStrictEqual(endings, ["unreachable"])
    ground.weather.translate("server", false)
    ground.weather.translate("client", true)
    const { answered } = asking(client, server, [1])
    drain()
    assert.strictEqual(answered[0]?.bytes, 1)
  })

  it("lets a connection to a host that stalls come about, and nothing come of it", () => {
    const { asking, client, drain, ground, server } = stage(8)
    ground.peers.behave("server", "stalls")
    const { answered, endings } = asking(client, server, [1])
    drain()
    assert.deepStrictEqual(endings, ["silent"])
    assert.strictEqual(answered[0]?.bytes, undefined)
  })

  it("is refused where a host runs and does not listen, and unanswered where there is none", () => {
    const { asking, client, drain, server, unlisten } = stage(9)
    unlisten()
    const refused = asking(client, server, [1])
    const unanswered = asking(client, { ...server, host: "10.9.9.9" }, [1])
    drain()
    assert.deepStrictEqual(refused.endings, ["refused"])
    assert.deepStrictEqual(unanswered.endings, ["unreachable"])
    assert.isBelow(refused.answered[0]?.atMs ?? Infinity, 1_000)
    assert.isAtLeast(unanswered.answered[0]?.atMs ?? 0, 8_000)
  })

  it("ends the connections of a host that stops in order", () => {
    const { asking, client, drain, ground, passMs, server, unlisten } = stage(10)
    ground.peers.bandwidth("server", 10_000)
    const { answered, endings } = asking(client, server, [100_000])
    passMs(2_000)
    unlisten()
    drain()
    assert.deepStrictEqual(endings, ["closed"])
    assert.isBelow(answered[0]?.atMs ?? Infinity, 3_000)
  })

  it("says nothing of a host without power, and resets what its successor does not know", () => {
    const { asking, client, drain, ground, passMs, server, talk } = stage(11)
    const { connection, endings } = asking(client, server, [1])
    passMs(1_000)
    server.process.kill()
    connection.ask(2, () => undefined)
    passMs(2_000)
    assert.deepStrictEqual(endings, [])
    talk.listen(ground.member("server"), (bytes, reply) => {
      reply(bytes)
      return () => undefined
    })
    connection.ask(3, () => undefined)
    drain()
    assert.deepStrictEqual(endings, ["closed"])
  })

  it("calls nobody back whose process was killed, and stops sending to it", () => {
    const { asking, client, drain, ground, passMs, server } = stage(12)
    ground.peers.bandwidth("server", 10_000)
    const { answered, endings } = asking(client, server, [1_000_000])
    passMs(2_000)
    client.process.kill()
    drain()
    assert.deepStrictEqual([answered, endings], [[], []])
    assert.isBelow(ground.kernel.elapsedMs, 30_000)
    assert.strictEqual(ground.trace.entries.length, 1)
  })

  it("tells whoever works on an answer that nobody waits for it any more", () => {
    const { asking, client, drain, server, talk, passMs } = stage(13)
    let dropped = 0
    talk.listen(server, () => () => void dropped++)
    const { connection } = asking(client, server, [1])
    passMs(1_000)
    connection.close()
    drain()
    assert.strictEqual(dropped, 1)
  })

  it("has one trace for each seed", () => {
    const hashOf = (seed: number) => {
      const { asking, client, drain, ground, server } = stage(seed)
      ground.weather.change((before) => ({ ...before, lossShare: 0.2 }))
      asking(client, server, [100_000, 5, 70_000], 60_000)
      drain()
      return ground.trace.hash
    }
    assert.strictEqual(hashOf(14), hashOf(14))
    assert.notStrictEqual(hashOf(14), hashOf(15))
  })
})
