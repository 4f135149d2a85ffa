/**
 * Publishers, users and an adversary on one network, against a model of plain objects. The adversary
 * can do what anybody can who controls the nodes: forget, roll back, corrupt, relabel, and write
 * under name keys. What he must never achieve is that a user accepts what no publisher signed, or
 * goes back to something older than he has seen.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import type { KeyPair } from "../src/protocol/core/KeyPair.ts"
import * as PublicKey from "../src/protocol/core/PublicKey.ts"
import * as Version from "../src/protocol/core/Version.ts"
import type * as Record from "../src/protocol/dht/Record.ts"
import * as NameIndex from "../src/protocol/registry/NameIndex.ts"
import * as Publish from "../src/protocol/registry/Publish.ts"
import * as Release from "../src/protocol/registry/Release.ts"
import * as Resolve from "../src/protocol/registry/Resolve.ts"
import * as Retract from "../src/protocol/registry/Retract.ts"
import * as DhtMemory from "../src/protocol/testing/DhtMemory.ts"
import * as Fixtures from "../test/protocol/registry/Fixtures.ts"
import { runsUpTo } from "./Runs.ts"

const NAME = "pkg"
const PUBLISHERS = 3
const USERS = 2
const VERSIONS = ["1.0.0", "1.1.0", "2.0.0", "2.1.0-rc.1", "3.0.0"]
/** Passes whenever everybody waits. */
const PAUSE = "1 minute"

/** What is true, whatever the network says. */
interface Model {
  /** By publisher: version → content. */
  readonly published: ReadonlyArray<Map<string, string>>
  readonly yanked: ReadonlyArray<Set<string>>
  /** By user and publisher: versions that this user has been told are out. */
  readonly seen: ReadonlyArray<ReadonlyArray<Set<string>>>
  /** Whether the adversary touched the network since the last time that everything was put back. */
  tampered: boolean
}

type Join = <A, E>(work: Effect.Effect<A, E, Fixtures.Host>) => Effect.Effect<A, E>

interface Real {
  readonly network: DhtMemory.Network
  readonly keys: ReadonlyArray<KeyPair>
  readonly publishers: ReadonlyArray<Join>
  readonly users: ReadonlyArray<Join>
  /** Everything that was ever in the network, for replays. */
  readonly history: Array<readonly [string, Record.Item]>
}

type Command = fc.AsyncCommand<Model, Real>

/** On virtual time, which moves when there is nothing else to do: writers wait between tries. */
const run = <A, E>(effect: Effect.Effect<A, E>): Promise<Exit.Exit<A, E>> =>
  Effect.runPromise(
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(effect)
      for (;;) {
        for (let turn = 0; turn < 50 && fiber.pollUnsafe() === undefined; turn++) yield* Effect.yieldNow
        const exit = fiber.pollUnsafe()
        if (exit !== undefined) return exit
        yield* TestClock.adjust(PAUSE)
      }
    }).pipe(Effect.provide(TestClock.layer()))
  )

const note = (real: Real) => {
  for (const [target, item] of real.network.items) real.history.push([target, item])
}

const freshModel = (): Model => ({
  published: Array.from({ length: PUBLISHERS }, () => new Map<string, string>()),
  yanked: Array.from({ length: PUBLISHERS }, () => new Set<string>()),
  seen: Array.from({ length: USERS }, () => Array.from({ length: PUBLISHERS }, () => new Set<string>())),
  tampered: false
})

const highest = (versions: ReadonlyArray<Version.Version>): Version.Version | undefined =>
  versions.toSorted((self, that) => Version.compare(that, self))[0]

const versionsOf = (model: Model, publisher: number): ReadonlyArray<Version.Version> =>
  [...model.published[publisher]!.keys()]
    .filter((version) => !model.yanked[publisher]!.has(version))
    .map((version) => Version.Version.make(version))

const publish = (publisher: number, version: string, content: string): Command => ({
  toString: () => `publisher ${publisher} publishes ${version} with content ${content}`,
  check: () => true,
  run: async (model, real) => {
    const release = Fixtures.release(NAME, version, { content })
    const exit = await run(real.publishers[publisher]!(Publish.publish(real.keys[publisher]!, release)))
    note(real)
    const known = model.published[publisher]!.get(version)
    if (known !== undefined && known !== content) {
      assert.isTrue(Exit.isFailure(exit), "a second, different release was accepted")
      return
    }
    if (Exit.isSuccess(exit)) {
      model.published[publisher]!.set(version, content)
    } else {
      assert.isTrue(model.tampered, `publishing failed on an honest network: ${String(exit.cause)}`)
      // It may have come as far as the release record, and others may see it.
      model.published[publisher]!.set(version, content)
    }
  }
})

const yank = (publisher: number, version: string, undo: boolean): Command => ({
  toString: () => `publisher ${publisher} ${undo ? "un-yanks" : "yanks"} ${version}`,
  check: (model) => model.published[publisher]!.has(version) && !model.tampered,
  run: async (model, real) => {
    const exit = await run(
      real.publishers[publisher]!(
        Retract.yank(real.keys[publisher]!, Fixtures.name(NAME), Fixtures.version(version), { undo })
      )
    )
    note(real)
    if (Exit.isFailure(exit)) {
      assert.fail(`yanking failed on an honest network: ${String(exit.cause)}`)
    }
    if (undo) model.yanked[publisher]!.delete(version)
    else model.yanked[publisher]!.add(version)
  }
})

const contentOf = (release: Release.Release): string | undefined =>
  ["x", "y"].find((content) => Release.sameContent(Fixtures.release(NAME, release.v, { content }), release))

/** Whatever a user accepts was signed by the publisher that is named. Gives that publisher. */
const accepts = (model: Model, real: Real, resolution: Resolve.Resolution) => {
  const publisher = real.keys.findIndex((key) => PublicKey.equals(key.publicKey, resolution.publisher))
  assert.isAtLeast(publisher, 0, "the publisher is nobody who published")
  const { release } = resolution
  assert.strictEqual(model.published[publisher]!.get(release.v), contentOf(release), "the release was never published")
  return publisher
}

const resolveFrom = (user: number, publisher: number): Command => ({
  toString: () => `user ${user} resolves from publisher ${publisher}`,
  check: () => true,
  run: async (model, real) => {
    const exit = await run(
      real.users[user]!(
        Resolve.resolveByName(
          { name: Fixtures.name(NAME), range: "next" },
          { publisher: real.keys[publisher]!.publicKey }
        )
      )
    )
    const expected = highest(versionsOf(model, publisher))
    const seen = model.seen[user]![publisher]!
    if (Exit.isSuccess(exit)) {
      assert.strictEqual(accepts(model, real, exit.value), publisher)
      const { v } = exit.value.release
      if (!model.tampered) assert.strictEqual(v, expected)
      for (const known of seen) {
        const isOut = !model.yanked[publisher]!.has(known)
        if (isOut) assert.isAtLeast(Version.compare(v, Version.Version.make(known)), 0, "the user was taken back")
      }
      seen.add(v)
    } else if (!model.tampered) {
      assert.isUndefined(expected, `resolving failed on an honest network: ${String(exit.cause)}`)
    }
  }
})

const resolveByName = (user: number): Command => ({
  toString: () => `user ${user} resolves by name`,
  check: () => true,
  run: async (model, real) => {
    const exit = await run(real.users[user]!(Resolve.resolveByName({ name: Fixtures.name(NAME), range: "next" })))
    if (Exit.isSuccess(exit)) {
      const publisher = accepts(model, real, exit.value)
      model.seen[user]![publisher]!.add(exit.value.release.v)
    } else if (!model.tampered) {
      const anybody = model.published.some((versions, at) => versions.size > 0 && versionsOf(model, at).length > 0)
      const all = model.published.every((versions, at) => versions.size === 0 || versionsOf(model, at).length > 0)
      assert.isFalse(anybody && all, `resolving failed on an honest network: ${String(exit.cause)}`)
    }
  }
})

const mend: Command = {
  toString: () => "everybody puts back what they hold",
  check: () => true,
  run: async (_model, real) => {
    for (const join of [...real.publishers, ...real.users]) {
      await run(join(NameIndex.mend(Fixtures.name(NAME))))
    }
    note(real)
  }
}

/** Items in a fixed order, so that a failing run can be replayed. */
const targets = (real: Real) => [...real.network.items.keys()].toSorted()

const tamper = (label: string, change: (real: Real, at: number) => Promise<void> | void, at: number): Command => ({
  toString: () => `the adversary ${label} (${at})`,
  check: () => true,
  run: async (model, real) => {
    model.tampered = true
    await change(real, at)
  }
})

const pick = <A>(from: ReadonlyArray<A>, at: number): A | undefined => from[at % Math.max(1, from.length)]

const adversary = {
  "makes the nodes forget an item": (real: Real, at: number) => {
    const target = pick(targets(real), at)
    if (target !== undefined) real.network.items.delete(target)
  },
  "rolls an item back": (real: Real, at: number) => {
    const old = pick(real.history, at)
    if (old !== undefined) real.network.items.set(...old)
  },
  "flips a bit of an item": (real: Real, at: number) => {
    const target = pick(targets(real), at)
    if (target === undefined) return
    const item = real.network.items.get(target)!
    const value = item.value.slice()
    if (value.length > 0) value[at % value.length]! ^= 1 << (at & 7)
    real.network.items.set(target, { ...item, value })
  },
  "raises the sequence number of an item": (real: Real, at: number) => {
    const target = pick(targets(real), at)
    if (target === undefined) return
    const item = real.network.items.get(target)!
    real.network.items.set(target, { ...item, seq: item.seq + 1 })
  },
  "puts one item in the place of another": (real: Real, at: number) => {
    const from = pick(targets(real), at)
    const to = pick(targets(real), at * 7 + 1)
    if (from !== undefined && to !== undefined) real.network.items.set(to, real.network.items.get(from)!)
  },
  "overwrites the name": async (real: Real, at: number) => {
    await run(Effect.ignore(Fixtures.overwriteName(real.network, NAME, 1_000 + at)))
  }
}

const publisher = fc.nat(PUBLISHERS - 1)
const user = fc.nat(USERS - 1)
const version = fc.constantFrom(...VERSIONS)

const honest: ReadonlyArray<fc.Arbitrary<Command>> = [
  fc.tuple(publisher, version, fc.constantFrom("x", "x", "y")).map((each) => publish(...each)),
  fc.tuple(publisher, version, fc.boolean()).map((each) => yank(...each)),
  fc.tuple(user, publisher).map((each) => resolveFrom(...each)),
  user.map(resolveByName),
  fc.constant(mend)
]

const hostile: ReadonlyArray<fc.Arbitrary<Command>> = Object.entries(adversary).map(([label, change]) =>
  fc.nat(999).map((at) => tamper(label, change, at))
)

const setUp = Effect.gen(function* (): Effect.fn.Return<Real, never, Scope.Scope> {
  const network = DhtMemory.make()
  const keys = yield* Effect.forEach([...Array(PUBLISHERS).keys()], (at) => Fixtures.keyPair(`publisher ${at}`)).pipe(
    Effect.provide(Fixtures.host(network))
  )
  const joined = yield* Effect.forEach([...Array(PUBLISHERS + USERS).keys()], () => Fixtures.join(network))
  return {
    network,
    keys,
    publishers: joined.slice(0, PUBLISHERS),
    users: joined.slice(PUBLISHERS),
    history: []
  }
})

const check = (commands: ReadonlyArray<fc.Arbitrary<Command>>) =>
  fc.asyncProperty(fc.commands([...commands], { maxCommands: 20 }), (each) =>
    Effect.runPromise(
      Effect.scoped(
        Effect.flatMap(setUp, (real) =>
          Effect.promise(() => fc.asyncModelRun(() => ({ model: freshModel(), real }), each))
        )
      )
    )
  )

describe("the registry, against a model", () => {
  it("on an honest network everybody gets the newest that was published", async () => {
    await fc.assert(check(honest), runsUpTo(100))
  })

  it("whatever the adversary does, nobody accepts what was not published, or is taken back", async () => {
    await fc.assert(check([...honest, ...hostile]), runsUpTo(100))
  })
})
