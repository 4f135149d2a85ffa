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

/** Documents in memory at a time; large ones take some megabytes, and few names are asked for in many ways. */
const DOCUMENTS_MAX = 256

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
    const json = yield* client.packument(name, form)
    if (Option.isNone(json)) return yield* fail(new NotInRegistry({ package: name, registry: client.registry }))
    return yield* Packument.parse(name, json.value)
  })
  const documents = yield* Cache.make({
    lookup: (name: PackageName) => fetch(name, "abbreviated"),
    capacity: DOCUMENTS_MAX
  })
  const packument = (name: PackageName) => Cache.get(documents, name)
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
      return Option.isSome(known) ? known : (yield* fetch(name, "full")).publishedAt(version)
    })
  } satisfies MirrorSource
})
