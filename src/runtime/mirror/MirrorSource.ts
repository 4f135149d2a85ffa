/** What an npm registry answers to a request: one version of one package, chosen as npm would. */
import * as Cache from "effect/Cache"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { PackageName } from "../../protocol/core/PackageName.ts"
import { fail, type MirrorError, NoSuchVersion, NotInRegistry } from "./MirrorError.ts"
import * as Packument from "./Packument.ts"
import { pick } from "./PickVersion.ts"
import type { RegistryClient } from "./RegistryClient.ts"
import type { RegistryFailure } from "./RegistryFailure.ts"
import type { Request } from "./Wanted.ts"

/** Documents in memory at a time; few names are asked for in many ways. */
const DOCUMENTS_MAX = 256

/** Bytes of their text together: a few of the largest. Parsed they take several times as much. */
export const DOCUMENTS_MAX_BYTES = 96 * 1024 * 1024

/** A version that is to be mirrored. */
export interface Picked extends Packument.Described {
  /** `name@version`. */
  readonly id: string
}

export interface MirrorSource {
  readonly packument: (name: PackageName) => Effect.Effect<Packument.Packument, MirrorError | RegistryFailure>
  readonly answer: (request: Request) => Effect.Effect<Picked, MirrorError | RegistryFailure>
  /** When the registry says that it was published, Unix ms. */
  readonly publishedAt: (picked: Picked) => Effect.Effect<Option.Option<number>, MirrorError | RegistryFailure>
}

/** `node` is the version of Node, without a `v`, that packages are chosen for. */
export const make = Effect.fnUntraced(function* (client: RegistryClient, node: string) {
  const fetch = Effect.fnUntraced(function* (name: PackageName, form: "abbreviated" | "full") {
    const said = yield* client.packument(name, form)
    if (Option.isNone(said)) return yield* fail(new NotInRegistry({ package: name, registry: client.registry }))
    return { packument: yield* Packument.parse(name, said.value.json), bytes: said.value.bytes }
  })
  const documents = yield* Cache.make({
    lookup: (name: PackageName) => fetch(name, "abbreviated"),
    capacity: DOCUMENTS_MAX
  })
  /** Bytes of the text by name, the one last asked for at the end. */
  const sizes = new Map<PackageName, number>()
  /** Forgets those that nobody asked for the longest, until what is left fits. The newest stays in any case. */
  const makeRoom = Effect.fnUntraced(function* () {
    let total = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0)
    for (const [name, bytes] of sizes) {
      if (sizes.size === 1 || (total <= DOCUMENTS_MAX_BYTES && sizes.size <= DOCUMENTS_MAX)) return
      total -= bytes
      sizes.delete(name)
      yield* Cache.invalidate(documents, name)
    }
  })
  const packument = Effect.fnUntraced(function* (name: PackageName) {
    const { bytes, packument: found } = yield* Cache.get(documents, name)
    sizes.delete(name)
    sizes.set(name, bytes)
    yield* makeRoom()
    return found
  })
  return {
    packument,
    answer: Effect.fnUntraced(function* ({ name, wanted }) {
      const { candidates, describe, tags } = yield* packument(name)
      const version = pick(candidates, tags, wanted, node)
      if (Option.isNone(version)) {
        return yield* fail(new NoSuchVersion({ package: name, wanted: wanted.text, registry: client.registry }))
      }
      return { ...(yield* describe(version.value)), id: `${name}@${version.value}` }
    }),
    publishedAt: Effect.fnUntraced(function* ({ name, version }) {
      const known = (yield* packument(name)).publishedAt(version)
      return Option.isSome(known) ? known : (yield* fetch(name, "full")).packument.publishedAt(version)
    })
  } satisfies MirrorSource
})
