import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Hex from "effect/encoding/Hex"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Package from "../src/protocol/registry/Package.ts"
import * as Release from "../src/protocol/registry/Release.ts"
import * as Testing from "../src/protocol/testing/index.ts"
import * as Bundles from "../test/protocol/swarm/Bundles.ts"
import { runsUpTo } from "./Runs.ts"

const run = <A, E>(work: Effect.Effect<A, E>): Promise<A> => Effect.runPromise(work)

const published = Effect.scoped(
  Effect.gen(function* () {
    const publisher = yield* Bundles.online(Testing.network())
    const key = yield* publisher.does(Bundles.keyPair("publisher"))
    yield* Bundles.publish(
      publisher,
      key,
      { name: "a", version: "1.0.0", dependencies: { b: "*" }, bytes: 300 },
      { name: "a", version: "1.1.0", bytes: 200 },
      { name: "b", version: "1.0.0", bytes: 100 }
    )
    const material = yield* Bundles.bundleOf(publisher, ["a@*"])
    return { publisher, material, bundle: yield* Bundles.write(publisher, material) }
  })
)

/** All that an import left, as it would be bundled again. */
const leftBy = (bundle: Uint8Array, chunk?: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const user = yield* Bundles.offline
      yield* Bundles.importInto(user, bundle, chunk)
      return yield* Bundles.write(user, yield* Bundles.bundleOf(user, ["a@*"]))
    })
  )

describe("Bundle", () => {
  let given: Effect.Success<typeof published>
  beforeAll(async () => {
    given = await run(published)
  })

  it("write ∘ import ∘ write = write, for any part of it and chunks of any size", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.subarray([0, 1, 2], { minLength: 1 }),
        fc.integer({ min: 40, max: 5_000 }),
        async (which, chunk) => {
          const { material, publisher } = given
          const releases = which.map((at) => material.releases[at]!)
          const isOf = (label: string) => releases.some(({ release }) => `${release.n}@${release.v}` === label)
          const packages = new Set<string>(releases.map(({ release }) => release.n))
          const part = {
            ...material,
            releases,
            claims: new Map([...material.claims].filter(([name]) => packages.has(name))),
            records: material.records.filter(({ value }) =>
              Result.match(Release.decode(value), {
                onSuccess: ({ n, v }) => isOf(`${n}@${v}`),
                onFailure: () => packages.has(Result.getOrThrow(Package.decode(value)).n)
              })
            )
          }
          const bundle = await run(Effect.scoped(Bundles.write(publisher, part)))
          assert.strictEqual(Hex.encode(await run(leftBy(bundle, chunk))), Hex.encode(bundle))
        }
      ),
      runsUpTo(10)
    )
  })

  it("a bundle with any byte changed is refused, whatever it is changed to", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(given.bundle.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const changed = given.bundle.map((byte, i) => (i === at ? byte ^ change : byte))
        const exit = await run(Effect.exit(Effect.scoped(Bundles.inspect(given.publisher, changed))))
        assert.isTrue(Exit.isFailure(exit))
      }),
      runsUpTo(100)
    )
  })

  it("a bundle with any byte changed and a checksum that holds is refused, or says nothing else but what it was made for", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(given.bundle.length - 33), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const changed = Bundles.resealed(given.bundle.map((byte, i) => (i === at ? byte ^ change : byte)))
        const exit = await run(Effect.exit(leftBy(changed)))
        if (Exit.isSuccess(exit)) assert.strictEqual(Hex.encode(exit.value), Hex.encode(given.bundle))
      }),
      runsUpTo(100)
    )
  })
})
