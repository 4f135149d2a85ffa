/** Machines that are started, stopped and lose power, with disks that stay, go or fail. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { KeyName, Keystore } from "../../../../src/protocol/core/Keystore.ts"
import * as KeyString from "../../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../../src/protocol/dht/Record.ts"
import { RecordStore } from "../../../../src/protocol/dht/RecordStore.ts"
import * as Fault from "../../../../src/protocol/testing/simulation/Fault.ts"
import { MINUTE, type Scenario, SECOND, type Step } from "../../../../src/protocol/testing/simulation/Scenario.ts"
import * as Simulation from "../../../../src/protocol/testing/simulation/Simulation.ts"
import type { Machine, World } from "../../../../src/protocol/testing/simulation/World.ts"
import { service as ed25519 } from "./Crypto.ts"

/** Plays steps on machine `alice`, and gives what they said. */
const play = (
  steps: (alice: Machine, say: (text: unknown) => void, world: World) => ReadonlyArray<Step>,
  faults?: Scenario["faults"]
) => {
  const said: Array<unknown> = []
  const scenario: Scenario = {
    name: "host",
    about: "",
    ...(faults === undefined ? {} : { faults }),
    play: (world) => Effect.sync(() => ({ steps: steps(world.host("alice"), (text) => void said.push(text), world) }))
  }
  const report = Effect.runSync(Simulation.run({ seed: 1, scenario, nodes: 4, ed25519, keep: "all" }))
  return { said, report }
}

const step = (atMs: number, run: Effect.Effect<unknown, unknown>): Step => ({ atMs, title: `at ${atMs}`, run })

const SALT = KeyString.saltOf("test")

const remember = Effect.gen(function* () {
  const pair = yield* (yield* Keystore).create(KeyName.make("main"))
  yield* (yield* RecordStore).remember(Record.sign(pair, { salt: SALT, seq: 1, value: new Uint8Array(3) }))
})

const recalls = Effect.gen(function* () {
  const keys = yield* (yield* Keystore).list
  return { keys: keys.length, records: (yield* (yield* RecordStore).all).length }
})

describe("Host", () => {
  it("does work with the library's services, and keeps what it writes through a crash", () => {
    const { report, said } = play(
      (alice, say) => [
        step(0, alice.run(remember)),
        step(
          3 * MINUTE,
          Effect.tap(alice.run(recalls), (found) => Effect.sync(() => say(found)))
        )
      ],
      () => [Fault.crash({ atMs: MINUTE, forMs: MINUTE }, "alice")]
    )
    assert.isUndefined(report.finding)
    assert.deepStrictEqual(said, [{ keys: 1, records: 1 }])
  })

  it("loses everything with its disk", () => {
    const { said } = play(
      (alice, say) => [
        step(0, alice.run(remember)),
        step(
          3 * MINUTE,
          Effect.tap(alice.run(recalls), (found) => Effect.sync(() => say(found)))
        )
      ],
      () => [Fault.crash({ atMs: MINUTE, forMs: MINUTE }, "alice", { keepDisk: false })]
    )
    assert.deepStrictEqual(said, [{ keys: 0, records: 0 }])
  })

  it("fails work that is under way when power goes, and work for a machine that is off, with HostDown", () => {
    const tag = (work: Effect.Effect<unknown, unknown>, say: (text: unknown) => void) =>
      Effect.tap(Effect.result(work), (result) =>
        Effect.sync(() => say(Result.isFailure(result) ? String(result.failure) : "done"))
      )
    const { report, said } = play(
      (alice, say) => [
        step(0, tag(alice.run(Effect.sleep("1 hour")), say)),
        step(90 * SECOND, tag(alice.run(Effect.void), say)),
        step(3 * MINUTE, tag(alice.run(Effect.void), say))
      ],
      () => [Fault.crash({ atMs: MINUTE, forMs: MINUTE }, "alice")]
    )
    assert.isUndefined(report.finding)
    assert.lengthOf(said, 3)
    assert.include(String(said[0]), "HostDown")
    assert.include(String(said[1]), "HostDown")
    assert.strictEqual(said[2], "done")
  })

  it("runs no finalizer when power goes, and every one when it is stopped in order", () => {
    const ended: Array<string> = []
    const guarded = (name: string) =>
      Effect.ensuring(
        Effect.never,
        Effect.sync(() => ended.push(name))
      )
    const { report } = play(
      (alice, _say, world) => {
        const bob = world.host("bob")
        alice.background("waiting", guarded("alice"))
        bob.background("waiting", guarded("bob"))
        return [step(2 * MINUTE, Effect.void)]
      },
      () => [Fault.crash({ atMs: MINUTE }, "alice")]
    )
    assert.isUndefined(report.finding)
    assert.deepStrictEqual(ended, ["bob"])
  })

  it("holds what is opened until the process ends", () => {
    const ended: Array<string> = []
    const acquire = Effect.acquireRelease(Effect.void, () => Effect.sync(() => ended.push("released")))
    play((alice, say) => [
      step(0, alice.open(acquire)),
      step(
        MINUTE,
        Effect.sync(() => say(ended.length))
      ),
      step(MINUTE, alice.run(Effect.scoped(acquire))),
      step(
        2 * MINUTE,
        Effect.sync(() => assert.lengthOf(ended, 1))
      )
    ])
    assert.lengthOf(ended, 2)
  })

  it("tells of background work that dies, and goes on where it merely fails", () => {
    const failing = play((alice) => {
      alice.background("the work", Effect.fail("no luck"))
      return [step(MINUTE, Effect.void)]
    })
    assert.isUndefined(failing.report.finding)
    assert.isTrue(failing.report.trace.some(({ text }) => text.includes("the work: no luck")))
    const dying = play((alice) => {
      alice.background("the work", Effect.die(new Error("a bug")))
      return [step(MINUTE, Effect.void)]
    })
    assert.deepInclude(dying.report.finding, { kind: "defect", text: "alice, the work: Error: a bug" })
  })

  it("reads its own clock, which may be wrong", () => {
    const { said } = play(
      (alice, say) => [
        step(
          MINUTE,
          Effect.tap(
            alice.run(
              Effect.map(
                Effect.clockWith((clock) => clock.currentTimeMillis),
                (now) => now - Simulation.EPOCH_MS
              )
            ),
            (now) => Effect.sync(() => say(now))
          )
        )
      ],
      () => [Fault.skew({ atMs: 0 }, "alice", -600_000)]
    )
    assert.deepStrictEqual(said, [MINUTE - 600_000])
  })

  it("fails the share of disk accesses that it is told to, with the errors of live stores", () => {
    const { report, said } = play(
      (alice, say) => [
        step(
          SECOND,
          Effect.gen(function* () {
            let failures = 0
            for (let i = 0; i < 1_000; i++) {
              const result = yield* Effect.result(alice.run(Effect.flatMap(RecordStore, ({ all }) => all)))
              if (Result.isFailure(result)) {
                failures++
                assert.match(String(result.failure), /the disk of alice|EIO|ENOSPC/)
              }
            }
            say(failures)
          })
        )
      ],
      () => [Fault.disk({ atMs: 0, forMs: 10 * MINUTE }, "alice", 0.1)]
    )
    assert.closeTo(Number(said[0]), 100, 35)
    const lines = report.trace.filter(
      ({ from, text }) => from === "alice" && /^a read fails: (EIO|ENOSPC): /.test(text)
    )
    assert.lengthOf(lines, Number(said[0]))
  })

  for (const when of ["before", "after"] as const) {
    it(`loses power right ${when} a write`, () => {
      const { said } = play(
        (alice, say) => [
          step(SECOND, alice.run(remember)),
          step(
            2 * MINUTE,
            Effect.tap(alice.run(recalls), (found) => Effect.sync(() => say(found)))
          )
        ],
        () => [Fault.crashAtWrite({ atMs: 0, forMs: MINUTE }, "alice", 2, when)]
      )
      assert.deepStrictEqual(said, [{ keys: 1, records: when === "after" ? 1 : 0 }])
    })
  }

  it("does not take two machines of one name", () => {
    const { report } = play((_alice, _say, world) => [
      step(
        0,
        Effect.sync(() => world.host("alice"))
      )
    ])
    assert.include(report.finding?.text, "two hosts named alice")
  })

  it("gives a key to whoever asks for one, the same for the same seed", () => {
    const keyOf = () => {
      const { said } = play((alice, say) => [
        step(
          0,
          Effect.tap(alice.run(Effect.flatMap(Keystore, (keystore) => keystore.create(KeyName.make("main")))), (pair) =>
            Effect.sync(() => say(Option.some(Buffer.from(pair.publicKey).toString("hex"))))
          )
        )
      ])
      return JSON.stringify(said)
    }
    assert.strictEqual(keyOf(), keyOf())
  })
})
