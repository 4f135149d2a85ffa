import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import * as Deadline from "../../../src/protocol/core/Deadline.ts"
import { sha256 } from "../../../src/protocol/core/Digest.ts"
import * as KeyPair from "../../../src/protocol/core/KeyPair.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import { CasConflict, DhtError, NoNodes, PutRefused } from "../../../src/protocol/dht/DhtError.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Quorum from "../../../src/protocol/dht/Quorum.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { isTransient, READ_TRIES, retryRead } from "../../../src/protocol/dht/Transient.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import { layer as ed25519 } from "../../../src/runtime/crypto/NodeEd25519.ts"

const value = new Uint8Array([1, 2, 3])
const target = Record.immutableTargetOf(value)
const refused = new DhtError({ reason: new PutRefused({ target: "t", problem: "none of them answered" }) })
const conflict = new DhtError({ reason: new CasConflict({ target: "t", expectedSeq: 1 }) })
const noNodes = new DhtError({ reason: new NoNodes({ bootstrap: [] }) })

/** A network of `nodes` nodes that answers each put as listed, the last answer again and again; and the times of the puts. */
const network = (nodes: number, ...answers: ReadonlyArray<number | DhtError>) => networkOf(Infinity, nodes, answers)

/** As {@link network}, its nodes being of so many address prefixes. */
const networkOf = (networks: number, nodes: number, answers: ReadonlyArray<number | DhtError>, overlap = 0) => {
  const times: Array<number> = []
  const layer = Layer.mock(Dht)({
    nodeCount: Effect.succeed(nodes),
    putImmutable: Effect.fnUntraced(function* () {
      const answer = answers[Math.min(times.length, answers.length - 1)]!
      times.push(yield* Clock.currentTimeMillis)
      if (typeof answer !== "number") return yield* Effect.fail(answer)
      const first = times.length * overlap
      const hostOf = (i: number) => (networks === Infinity ? `10.0.0.${i}` : `${20 + (i % networks)}.1.${i}.9`)
      const stored = Array.from({ length: answer }, (_, i) => `${hostOf(first + i + 1)}:6881`)
      return { target, acks: answer, networks: Math.min(answer, networks), asked: 20, stored, refused: [], silent: [] }
    })
  })
  return { layer, times }
}

/** Acknowledgements, or the tag of the error, in virtual time. */
const publish = ({ layer }: ReturnType<typeof network>, limit: Duration.Input = "1 hour") =>
  Effect.gen(function* () {
    const work = Quorum.putImmutable(value).pipe(
      Effect.map(({ acks }): number | string => acks),
      Effect.catchTag("DhtError", ({ reason }) => Effect.succeed(reason._tag)),
      Deadline.within(limit),
      Effect.provide(layer)
    )
    const fiber = yield* Effect.forkChild(work)
    yield* TestClock.adjust("1 hour")
    return yield* Fiber.join(fiber)
  })

describe("Quorum", () => {
  it.effect("counts who took it in an earlier try and is silent in the next", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* publish(networkOf(Infinity, 20, [5], 4)), 9)
      assert.strictEqual(yield* publish(networkOf(Infinity, 20, [5], 0)), "TooFewAcks")
    })
  )

  it.effect("does not count nodes of one or two networks, which may have one owner", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* publish(networkOf(2, 20, [12])), "TooFewNetworks")
      assert.strictEqual(yield* publish(networkOf(3, 20, [12])), 12)
    })
  )

  it.effect("asks once where enough nodes acknowledge", () =>
    Effect.gen(function* () {
      const enough = network(20, 8)
      assert.strictEqual(yield* publish(enough), 8)
      assert.strictEqual(enough.times.length, 1)
    })
  )

  it.effect("asks again where too few do, until they are enough", () =>
    Effect.gen(function* () {
      const better = network(20, 3, 7, 15)
      assert.strictEqual(yield* publish(better), 15)
      assert.strictEqual(better.times.length, 3)
    })
  )

  it.effect("asks again where none did", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* publish(network(20, refused, 9)), 9)
      assert.strictEqual(yield* publish(network(20, refused)), "PutRefused")
    })
  )

  it.effect("fails with what is missing after three puts", () =>
    Effect.gen(function* () {
      const never = network(20, 7)
      assert.strictEqual(yield* publish(never), "TooFewAcks")
      assert.strictEqual(never.times.length, Quorum.PUT_TRIES)
      const once = Quorum.putImmutable(value).pipe(Effect.flip, Effect.provide(network(20, 7).layer))
      const fiber = yield* Effect.forkChild(once)
      yield* TestClock.adjust("1 hour")
      const { message } = yield* Fiber.join(fiber)
      assert.include(message, "7 of at least 8")
    })
  )

  it.effect("is content with all nodes where there are fewer than it asks for", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* publish(network(3, 3)), 3)
      assert.strictEqual(yield* publish(network(3, 2)), "TooFewAcks")
    })
  )

  it.effect("wants one node at least, though none is known", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* publish(network(0, 1)), 1)
      assert.strictEqual(yield* publish(network(0, 0)), "TooFewAcks")
    })
  )

  it.effect("can be told how many nodes are enough", () =>
    Effect.gen(function* () {
      const few = network(20, 2)
      assert.strictEqual(yield* publish(few).pipe(Effect.provideService(Quorum.MinAcks, 2)), 2)
      assert.strictEqual(few.times.length, 1)
      const many = network(20, 15)
      assert.strictEqual(yield* publish(many).pipe(Effect.provideService(Quorum.MinAcks, 16)), "TooFewAcks")
    })
  )

  it.effect("hands on at once what no other try can mend", () =>
    Effect.gen(function* () {
      for (const [error, tag] of [
        [conflict, "CasConflict"],
        [noNodes, "NoNodes"]
      ] as const) {
        const failing = network(20, error)
        assert.strictEqual(yield* publish(failing), tag)
        assert.strictEqual(failing.times.length, 1)
      }
    })
  )

  it.effect("makes no try for which the deadline leaves no time, and says what was missing", () =>
    Effect.gen(function* () {
      const slow = network(20, 7)
      assert.strictEqual(yield* publish(slow, "90 millis"), "TooFewAcks")
      assert.strictEqual(slow.times.length, 1)
    })
  )

  it.effect("hands on the compare-and-swap", () =>
    Effect.gen(function* () {
      const pair = yield* KeyPair.fromSeed(sha256(value))
      const salt = KeyString.saltOf("quorum")
      const signed = (seq: number) => Record.sign(pair, { salt, seq, value })
      yield* Quorum.put(signed(1))
      yield* Quorum.put(signed(2), { cas: 1 })
      const error = yield* Effect.flip(Quorum.put(signed(3), { cas: 1 }))
      assert.strictEqual(error.reason._tag, "CasConflict")
    }).pipe(Effect.provide(DhtMemory.layer.pipe(Layer.provideMerge(ed25519))))
  )
})

describe("Transient", () => {
  it.effect("makes a read again that nobody answered, and no other one", () =>
    Effect.gen(function* () {
      for (const [error, tries] of [
        [noNodes, READ_TRIES],
        [conflict, 1],
        [refused, 1]
      ] as const) {
        let made = 0
        const read = Effect.suspend(() => ((made += 1), Effect.fail(error)))
        const fiber = yield* Effect.forkChild(Effect.flip(retryRead(read)))
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(yield* Fiber.join(fiber), error)
        assert.strictEqual(made, tries)
        assert.strictEqual(isTransient(error), tries > 1)
      }
    })
  )

  it.effect("gives what a later try brought", () =>
    Effect.gen(function* () {
      let made = 0
      const read = Effect.suspend(() => ((made += 1) === 1 ? Effect.fail(noNodes) : Effect.succeed(Option.some(value))))
      const fiber = yield* Effect.forkChild(retryRead(read))
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* Fiber.join(fiber), Option.some(value))
    })
  )
})
