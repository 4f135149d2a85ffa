/** Publishing as a whole: cut off anywhere, run again, rehearsed, raced by another machine with the same key. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { assert, beforeAll, describe, it } from "vitest"
import { explain } from "../src/protocol/core/Errors.ts"
import type { KeyPair } from "../src/protocol/core/KeyPair.ts"
import type { Version } from "../src/protocol/core/Version.ts"
import { Dht } from "../src/protocol/dht/Dht.ts"
import * as KeyString from "../src/protocol/dht/KeyString.ts"
import * as Announce from "../src/protocol/registry/Announce.ts"
import * as Lookup from "../src/protocol/registry/Lookup.ts"
import * as NameIndex from "../src/protocol/registry/NameIndex.ts"
import * as Package from "../src/protocol/registry/Package.ts"
import * as Publish from "../src/protocol/registry/Publish.ts"
import { releaseOf } from "../src/protocol/registry/ReleaseLookup.ts"
import * as Release from "../src/protocol/registry/Release.ts"
import * as Retract from "../src/protocol/registry/Retract.ts"
import * as DhtMemory from "../src/protocol/testing/DhtMemory.ts"
import { name, release, version } from "../test/protocol/registry/Fixtures.ts"
import * as World from "../test/protocol/registry/PublisherWorld.ts"
import { runsUpTo } from "./Runs.ts"

const T = 1_750_000_000_000
const HOUR_MS = 60 * 60 * 1000

/** Rounds of what is built once and copied for every run. */
interface History {
  readonly machine: World.Machine
  readonly versions: ReadonlyArray<string>
}

const history = Effect.fnUntraced(function* (key: KeyPair, versions: ReadonlyArray<string>) {
  const machine = yield* World.machine(DhtMemory.make())
  for (const each of versions) yield* World.at(machine, T - HOUR_MS, Publish.publish(key, release("a", each)))
  return { machine, versions } satisfies History
})

/** Nothing, a few versions, as many as fit into the package's record, and more. */
const HISTORIES: ReadonlyArray<ReadonlyArray<string>> = [
  [],
  ["1.0.0", "1.1.0-rc.1", "1.1.0"],
  Array.from({ length: 62 }, (_, i) => `1.${i}.0`),
  Array.from({ length: 70 }, (_, i) => `1.${i}.0`)
]

let alice: KeyPair
let histories: ReadonlyArray<History>

beforeAll(async () => {
  alice = await Effect.runPromise(World.keyPair("alice"))
  histories = await Effect.runPromise(Effect.forEach(HISTORIES, (versions) => history(alice, versions)))
})

const anyHistory = fc.nat(HISTORIES.length - 1)

type Action =
  | { readonly kind: "publish"; readonly version: string }
  | { readonly kind: "yank" | "deprecate"; readonly which: number; readonly undo: boolean }

const anyAction: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    kind: fc.constant("publish" as const),
    version: fc.constantFrom("0.1.0", "1.0.0", "1.0.5", "2.0.0-rc.1", "3.0.0")
  }),
  fc.record({ kind: fc.constantFrom("yank" as const, "deprecate" as const), which: fc.nat(), undo: fc.boolean() })
)

/** The action on a package with these versions; publishing where it has none. */
const workOf = (action: Action, versions: ReadonlyArray<string>): Effect.Effect<unknown, unknown, World.Services> => {
  if (action.kind === "publish" || versions.length === 0) {
    return Publish.publish(alice, release("a", action.kind === "publish" ? action.version : "1.0.0"))
  }
  const which = version(versions[action.which % versions.length]!)
  return action.kind === "yank"
    ? Retract.yank(alice, name("a"), which, action)
    : Retract.deprecate(alice, name("a"), which, action)
}

describe("publishing", () => {
  it("a publication that is killed, however often and at whatever write, ends as if it had not been", async () => {
    const scenario = fc.record({
      which: anyHistory,
      added: fc.constantFrom("0.1.0", "1.0.5", "2.0.0-rc.1", "3.0.0"),
      kills: fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { minLength: 1, maxLength: 3 }),
      pause: fc.integer({ min: 0, max: 100 * HOUR_MS })
    })
    await fc.assert(
      fc.asyncProperty(scenario, ({ added, kills, pause, which }) =>
        Effect.runPromise(
          Effect.gen(function* () {
            const { machine } = histories[which]!
            const publish = Publish.publish(alice, release("a", added))
            const whole = yield* World.copy(machine)
            const writes = yield* World.writesOf(whole, T, publish)
            const killed = yield* World.copy(machine)
            let now = T
            for (const share of kills) {
              // The first write is the note: without it nothing has begun. Later runs may have less to write.
              const dies = 1 + Math.floor(share * (writes - 1))
              yield* Effect.exit(World.killedAt(killed, now, publish, dies))
              now += pause
            }
            yield* World.at(killed, now, publish)
            assert.deepStrictEqual(yield* World.stateOf(killed), yield* World.stateOf(whole))
          })
        )
      ),
      runsUpTo(30)
    )
  })

  it("taking a version back, killed at whatever write, ends as if it had not been", async () => {
    const scenario = fc.record({
      which: anyHistory.filter((each) => each > 0),
      action: anyAction.filter(({ kind }) => kind !== "publish"),
      share: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    })
    await fc.assert(
      fc.asyncProperty(scenario, ({ action, share, which }) =>
        Effect.runPromise(
          Effect.gen(function* () {
            const { machine, versions } = histories[which]!
            const work = workOf(action, versions)
            const whole = yield* World.copy(machine)
            const writes = yield* World.writesOf(whole, T, work)
            const killed = yield* World.copy(machine)
            if (writes > 0) yield* World.killedAt(killed, T, work, Math.floor(share * writes))
            yield* World.at(killed, T, work)
            assert.deepStrictEqual(yield* World.stateOf(killed), yield* World.stateOf(whole))
          })
        )
      ),
      runsUpTo(30)
    )
  })

  it("doing again what is done changes nothing", async () => {
    await fc.assert(
      fc.asyncProperty(anyHistory, anyAction, fc.integer({ min: 0, max: 700 * HOUR_MS }), (which, action, pause) =>
        Effect.runPromise(
          Effect.gen(function* () {
            const { machine, versions } = histories[which]!
            const on = yield* World.copy(machine)
            const work = workOf(action, versions)
            yield* World.at(on, T, work)
            const before = yield* World.stateOf(on)
            yield* World.at(on, T + pause, work)
            assert.deepStrictEqual(yield* World.stateOf(on), before)
          })
        )
      ),
      runsUpTo(60)
    )
  })

  it("a plan writes nothing, and tells what publishing then writes", async () => {
    const scenario = fc.record({
      which: anyHistory,
      before: fc.array(anyAction, { maxLength: 2 }),
      added: fc.constantFrom("0.1.0", "1.0.0", "1.1.0", "3.0.0"),
      pause: fc.integer({ min: 0, max: 1_000 * HOUR_MS })
    })
    await fc.assert(
      fc.asyncProperty(scenario, ({ added, before, pause, which }) =>
        Effect.runPromise(
          Effect.gen(function* () {
            const { machine, versions } = histories[which]!
            const on = yield* World.copy(machine)
            for (const action of before) yield* World.at(on, T, workOf(action, versions))
            const state = yield* World.stateOf(on)
            const now = T + pause
            const planning = Publish.plan(alice, release("a", added))
            assert.strictEqual(yield* World.writesOf(on, now, planning), 0)
            const planned = yield* World.at(on, now, planning)
            assert.deepStrictEqual(yield* World.stateOf(on), state)
            const known = new Set(state.network.map((line) => line.split(" ")[0]))
            const { records } = yield* World.at(on, now, Publish.publish(alice, release("a", added)))
            const after = yield* World.stateOf(on)
            const changed = after.network.filter((line) => !state.network.includes(line))
            assert.deepStrictEqual(
              planned.map(({ bytes, seq }) => [bytes, seq]),
              records.map(({ seq, value }) => [value.length, seq])
            )
            const fresh = changed.filter((line) => !known.has(line.split(" ")[0]))
            assert.strictEqual(planned.filter(({ state }) => state === "new").length, fresh.length)
            assert.strictEqual(planned.filter(({ state }) => state !== "unchanged").length, changed.length)
          })
        )
      ),
      runsUpTo(50)
    )
  })

  it("a version never changes its content, whatever is published in whatever order from two machines", async () => {
    const attempt = fc.record({
      machine: fc.nat(1),
      version: fc.constantFrom("1.0.0", "1.1.0"),
      content: fc.constantFrom("one", "other"),
      forgets: fc.boolean()
    })
    await fc.assert(
      fc.asyncProperty(fc.array(attempt, { minLength: 2, maxLength: 6 }), (attempts) =>
        Effect.runPromise(
          Effect.gen(function* () {
            const network = DhtMemory.make()
            const machines = [yield* World.machine(network), yield* World.machine(network)]
            const published = new Map<string, string>()
            for (const [i, { content, forgets, machine, version: each }] of attempts.entries()) {
              const known = published.get(each)
              const wanted = release("a", each, { content })
              const exit = yield* Effect.exit(World.at(machines[machine]!, T + i, Publish.publish(alice, wanted)))
              assert.strictEqual(Exit.isSuccess(exit), known === undefined || known === content, each)
              if (Exit.isSuccess(exit)) published.set(each, content)
              else {
                const error = yield* Effect.flip(World.at(machines[machine]!, T + i, exit))
                assert.strictEqual(explain(error)?._tag, "VersionExists")
              }
              // The other machine has what this one published: it reads it before the network forgets it.
              for (const other of machines) {
                const found = yield* World.at(other, T + i, releaseOf(alice.publicKey, name("a"), version(each)))
                const first = release("a", each, { content: published.get(each)! })
                assert.isTrue(Release.sameContent(Option.getOrThrow(found).value, first))
              }
              if (forgets) network.items.clear()
            }
          })
        )
      ),
      runsUpTo(60)
    )
  })

  it("two machines with one key, however their words are interleaved, lose no version and no package", async () => {
    const delays = fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 8, maxLength: 8 })
    const packages = fc.constantFrom("a", "b")
    const scenario = fc.record({
      shared: fc.boolean(),
      names: fc.tuple(packages, packages),
      versions: fc.constantFrom(["1.1.0", "1.2.0"] as const, ["1.2.0", "1.1.0"] as const, ["2.0.0", "0.1.0"] as const),
      delays: fc.tuple(delays, delays)
    })
    await fc.assert(
      fc.asyncProperty(scenario, ({ delays, names, shared, versions }) =>
        Effect.runPromise(
          Effect.gen(function* () {
            const network = DhtMemory.make()
            const machines = [yield* World.machine(network), yield* World.machine(network)]
            if (shared) yield* World.at(machines[0]!, T, Publish.publish(alice, release("a", "1.0.0")))
            const slowly = <A, E>(work: Effect.Effect<A, E, World.Services>, each: ReadonlyArray<number>) =>
              Effect.flatMap(Dht, (dht) => {
                let calls = 0
                const pause = <B, F>(call: Effect.Effect<B, F>) =>
                  Effect.suspend(() => Effect.delay(call, each[calls++ % each.length]!))
                return Effect.provideService(work, Dht, {
                  ...dht,
                  lookup: (publicKey, salt) => pause(dht.lookup(publicKey, salt)),
                  put: (record, options) => pause(dht.put(record, options))
                })
              })
            const publishing = machines.map((machine, i) =>
              slowly(Publish.publish(alice, release(names[i]!, versions[i]!)), delays[i]!).pipe(
                Effect.provideContext(machine.services)
              )
            )
            const racing = yield* Effect.forkChild(Effect.all(publishing, { concurrency: 2 }))
            yield* TestClock.adjust("10 minutes")
            yield* Fiber.join(racing)
            const user = yield* World.machine(network)
            const expected = new Map<string, Set<string>>(shared ? [["a", new Set(["1.0.0"])]] : [])
            names.forEach((each, i) => expected.set(each, new Set([...(expected.get(each) ?? []), versions[i]!])))
            const found = Effect.gen(function* () {
              const announce = Option.getOrThrow(yield* Announce.find(alice.publicKey)).value
              const listed = yield* Stream.runCollect(Announce.packages(announce))
              return yield* Effect.forEach(listed, ({ name: each, version: newest }) =>
                Effect.gen(function* () {
                  const pkg = yield* Lookup.find(alice.publicKey, KeyString.packageOf(each), Package.codec)
                  const { claims } = yield* NameIndex.read(each)
                  const value = Option.getOrThrow(pkg).value
                  return { each, newest, value, claimed: [...claims.values()].map(({ lv }) => lv) }
                })
              )
            })
            const seen = yield* Effect.provideContext(found, user.services)
            assert.deepStrictEqual(
              seen.map(({ each, value }) => [String(each), new Set<string>(value.vs.map(([listed]) => listed))]),
              [...expected].toSorted(([a], [b]) => (a < b ? -1 : 1))
            )
            for (const { claimed, newest, value } of seen) {
              const best: Version = value.vs.map(([listed]) => listed).toSorted(Package.newestFirst)[0]!
              assert.deepStrictEqual([value.l.v, newest, claimed], [best, best, [best]])
            }
          }).pipe(Effect.provide(TestClock.layer()), Effect.scoped)
        )
      ),
      runsUpTo(30)
    )
  })
})
