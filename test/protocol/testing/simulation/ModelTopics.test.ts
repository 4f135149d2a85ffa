import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { sha1 } from "../../../../src/protocol/core/Digest.ts"
import * as Infohash from "../../../../src/protocol/core/Infohash.ts"
import type { TopicAnswer } from "../../../../src/protocol/dht/TopicPeers.ts"
import type { Member } from "../../../../src/protocol/testing/simulation/Nodes.ts"
import * as TopicPeersSuite from "../../dht/TopicPeersSuite.ts"
import * as PeerGround from "./PeerGround.ts"

const grounds = PeerGround.inTurn("topics")
let hosts = 0

TopicPeersSuite.suite(
  "simulated",
  Effect.sync(() => {
    const ground = grounds.current()
    return {
      host: Effect.suspend(() => ground.topicPeers(ground.member(`h${hosts++}`))),
      elapse: Effect.void
    }
  }),
  true,
  grounds.run
)

const topic = Infohash.Infohash.make(sha1(new TextEncoder().encode("topic")))
const item = (value: number) => new Uint8Array(100).fill(value)
const answerOf = (value: number): TopicAnswer => ({ claims: [item(value)], records: [] })

/** Values that the answers have. */
const valuesOf = (answers: ReadonlyArray<TopicAnswer>) =>
  answers.flatMap(({ claims }) => claims.map((claim) => claim[0])).toSorted()

const serve = (ground: PeerGround.PeerGround, member: Member, value: number) =>
  ground.background(
    member,
    Effect.flatMap(ground.topicPeers(member), (peers) => peers.serve(topic, Effect.succeed(answerOf(value))))
  )

const ask = (ground: PeerGround.PeerGround, member: Member) =>
  Exit.getSuccess(
    ground.run(
      Effect.scoped(
        Effect.andThen(
          Effect.sleep(1_000),
          Effect.flatMap(ground.topicPeers(member), (own) => own.ask(topic))
        )
      )
    )
  )

const asked = (ground: PeerGround.PeerGround, member: Member) => {
  const answers = ask(ground, member)
  assert.strictEqual(answers._tag, "Some")
  return answers._tag === "Some" ? answers.value : []
}

describe("Topics of a simulation", () => {
  it("ends a question in time, with the answers of those who are there", () => {
    const ground = PeerGround.make(1)
    const [there, stalling, dead] = [ground.member("there"), ground.member("stalling"), ground.member("dead")]
    ;[there, stalling, dead].forEach((member, i) => serve(ground, member, i))
    ground.peers.behave("stalling", "stalls")
    const asker = ground.member("asker")
    ground.run(Effect.sleep(10))
    dead.process.kill()
    const before = ground.kernel.elapsedMs
    assert.deepStrictEqual(valuesOf(asked(ground, asker)), [0])
    assert.strictEqual(ground.kernel.elapsedMs - before, 1_000 + 1_800)
  })

  it("gets no answer from beyond a partition, or from behind a NAT, and gets it afterwards", () => {
    const ground = PeerGround.make(2)
    serve(ground, ground.member("far"), 1)
    serve(ground, ground.member("hidden"), 2)
    const asker = ground.member("asker")
    const heal = ground.weather.cut((from, to) => from === "far" && to === "asker")
    ground.weather.translate("hidden", true)
    assert.deepStrictEqual(valuesOf(asked(ground, asker)), [])
    assert.include(ground.text(), "connect: behind a NAT")
    assert.include(ground.text(), "connect: cut off")
    heal()
    ground.weather.translate("hidden", false)
    assert.deepStrictEqual(valuesOf(asked(ground, asker)), [1, 2])
  })

  it("serves again after the host has started anew, with what the new process holds", () => {
    const ground = PeerGround.make(3)
    const first = ground.member("host")
    serve(ground, first, 1)
    const asker = ground.member("asker")
    assert.deepStrictEqual(valuesOf(asked(ground, asker)), [1])
    first.process.kill()
    assert.deepStrictEqual(valuesOf(asked(ground, asker)), [])
    serve(ground, ground.member("host"), 2)
    assert.deepStrictEqual(valuesOf(asked(ground, asker)), [2])
  })

  it("hands on what a corrupt host gives, within the limits", () => {
    const ground = PeerGround.make(4)
    for (let i = 0; i < 8; i++) {
      serve(ground, ground.member(`liar ${i}`), i)
      ground.peers.behave(`liar ${i}`, "corrupt")
    }
    const claims = asked(ground, ground.member("asker")).flatMap((answer) => answer.claims)
    assert.strictEqual(claims.length, 8)
    assert.isTrue(claims.some((claim) => !claim.every((byte) => byte === claim[0]) || claim.length !== 100))
  })

  it("announces a topic every quarter of an hour", () => {
    const ground = PeerGround.make(5)
    serve(ground, ground.member("host"), 1)
    ground.run(Effect.sleep(10))
    ground.dht.peers.clear()
    ground.run(Effect.sleep("20 minutes"))
    assert.deepStrictEqual(valuesOf(asked(ground, ground.member("asker"))), [1])
  })

  it("has one trace for each seed", () => {
    const hashOf = (seed: number) => {
      const ground = PeerGround.make(seed)
      ground.weather.change((before) => ({ ...before, lossShare: 0.3 }))
      for (let i = 0; i < 6; i++) serve(ground, ground.member(`h${i}`), i)
      asked(ground, ground.member("asker"))
      return ground.trace.hash
    }
    assert.strictEqual(hashOf(6), hashOf(6))
    assert.notStrictEqual(hashOf(6), hashOf(7))
  })
})
