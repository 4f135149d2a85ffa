import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as MirrorSource from "../../../src/runtime/mirror/MirrorSource.ts"
import type { RegistryClient } from "../../../src/runtime/mirror/RegistryClient.ts"
import * as Fixtures from "../../protocol/registry/Fixtures.ts"

/** A registry that says of each name that it has so many bytes, and the names that it was asked for. */
const registryOf = (bytes: number) => {
  const asked: Array<string> = []
  const client: RegistryClient = {
    registry: "https://registry.example/",
    packument: (name) => {
      asked.push(name)
      return Effect.succeed(Option.some({ json: { name, versions: {} }, bytes }))
    },
    tarball: () => Effect.die("not asked for"),
    size: () => Effect.succeedNone,
    keys: Effect.succeedNone
  }
  return { asked, client }
}

const ask = ({ packument }: MirrorSource.MirrorSource, names: string) =>
  Effect.forEach([...names], (name) => packument(Fixtures.name(name)), { discard: true })

describe("MirrorSource", () => {
  it.effect("keeps what few names say, and of large documents those that were of use last", () =>
    Effect.gen(function* () {
      const small = registryOf(1000)
      yield* ask(yield* MirrorSource.make(small.client, "24.0.0"), "abcabcabc")
      assert.deepStrictEqual(small.asked.join(""), "abc")
      const large = registryOf(MirrorSource.DOCUMENTS_MAX_BYTES / 2)
      const source = yield* MirrorSource.make(large.client, "24.0.0")
      yield* ask(source, "aba")
      assert.deepStrictEqual(large.asked.join(""), "ab")
      yield* ask(source, "cab")
      assert.deepStrictEqual(large.asked.join(""), "abcb")
    })
  )

  it.effect("keeps one that is larger than all may be together, for as long as no other is asked for", () =>
    Effect.gen(function* () {
      const huge = registryOf(MirrorSource.DOCUMENTS_MAX_BYTES + 1)
      yield* ask(yield* MirrorSource.make(huge.client, "24.0.0"), "aaba")
      assert.deepStrictEqual(huge.asked.join(""), "aba")
    })
  )
})
