/**
 * What was mirrored from where, in `<home>/mirrored.json`: for each publisher's key, the registry that a
 * name was taken from. A name belongs to one origin for good: were it taken from a second one, whoever
 * registers a name there could publish under a key that is trusted for the name here.
 */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type { PackageName } from "../../protocol/core/PackageName.ts"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import { Home } from "../store/Home.ts"
import * as JsonFile from "../store/JsonFile.ts"
import { fail, OriginsUnavailable } from "./MirrorError.ts"

const FILE_NAME = "mirrored.json"
const FORMAT = 1

const Document = Schema.Struct({
  format: Schema.Literal(FORMAT),
  /** By key (base64), then by name: address of the registry. */
  publishers: Schema.Record(Schema.String, Schema.Record(Schema.String, Schema.String))
})

const own = <A>(record: { readonly [key: string]: A } | undefined, key: string): A | undefined =>
  record !== undefined && Object.hasOwn(record, key) ? record[key] : undefined

export const make = Effect.fnUntraced(function* (publisher: PublicKey.PublicKey) {
  const { directory } = yield* Home
  const location = (yield* Path.Path).join(directory, FILE_NAME)
  const file = yield* JsonFile.make({
    location,
    schema: Document,
    empty: { format: FORMAT, publishers: {} },
    failed: (problem) => fail(new OriginsUnavailable({ location, problem }))
  })
  const key = PublicKey.toBase64(publisher)
  const withEntries = (
    { format, publishers }: typeof Document.Type,
    added: ReadonlyArray<readonly [name: string, registry: string]>,
    gone: ReadonlySet<string> = new Set()
  ) => {
    const kept = Object.entries(own(publishers, key) ?? {}).filter(([name]) => !gone.has(name))
    return { format, publishers: { ...publishers, [key]: Object.fromEntries([...kept, ...added]) } }
  }
  return {
    /** The registry of each name that was mirrored under the key. */
    all: Effect.map(file.read, ({ publishers }) => new Map(Object.entries(own(publishers, key) ?? {}))),
    /** Writes down where names are taken from, before any of them is published. Those that were not written there yet. */
    note: (names: Iterable<PackageName>, registry: string) =>
      file.update((document) => {
        const known = own(document.publishers, key)
        const added = [...names].filter((name) => own(known, name) !== registry)
        return [
          added,
          added.length === 0
            ? document
            : withEntries(
                document,
                added.map((name) => [name, registry])
              )
        ]
      }),
    /** Takes back what was noted of names of which nothing was published. */
    forget: (names: Iterable<PackageName>, registry: string) =>
      file.update((document) => {
        const gone = new Set<string>([...names].filter((name) => own(own(document.publishers, key), name) === registry))
        return [undefined, gone.size === 0 ? document : withEntries(document, [], gone)]
      })
  }
})
