/**
 * What a registry says of a package (a "packument", abbreviated or whole), as far as it matters here.
 * It is the registry's word and no more: the release that is published speaks as the tarball does.
 * One version that makes no sense does not take the others with it; it is refused when it is chosen.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { PackageName } from "../../protocol/core/PackageName.ts"
import * as Version from "../../protocol/core/Version.ts"
import type { Wishes } from "../../protocol/registry/DependencyGraph.ts"
import { fail, type MirrorError, UnusablePackument } from "./MirrorError.ts"
import type { Candidate } from "./PickVersion.ts"

/** Versions of one package. Some on npm, published every night, have thousands. */
export const VERSIONS_MAX = 50_000

/** Signatures of one version; npm has one, and two while it changes its key. */
const SIGNATURES_MAX = 16

export interface Signature {
  readonly keyid: string
  /** Base64 of the DER form. */
  readonly sig: string
}

/** One version, as the registry describes it. */
export interface Described {
  readonly name: PackageName
  readonly version: Version.Version
  readonly wishes: Wishes
  readonly devDependencies: { readonly [name: string]: string }
  /** Why it should not be used; empty where nothing is said against it. */
  readonly deprecated: string
  /** URL. */
  readonly tarball: string
  /** Subresource integrity, if any is given. */
  readonly integrity: string | undefined
  readonly signatures: ReadonlyArray<Signature>
  /** Bytes, as the registry says. */
  readonly unpackedSize: number | undefined
}

export interface Packument {
  readonly name: PackageName
  readonly tags: ReadonlyMap<string, string>
  readonly candidates: ReadonlyMap<string, Candidate>
  readonly describe: (version: Version.Version) => Effect.Effect<Described, MirrorError>
  /** When a version was published, Unix ms; abbreviated documents do not say it. */
  readonly publishedAt: (version: Version.Version) => Option.Option<number>
}

const Texts = Schema.Record(Schema.String, Schema.String)
const textsOf = Schema.decodeUnknownOption(Texts)
const peersMetaOf = Schema.decodeUnknownOption(
  Schema.Record(Schema.String, Schema.Struct({ optional: Schema.optionalKey(Schema.Boolean) }))
)
const dictionaryOf = Schema.decodeUnknownOption(Schema.Record(Schema.String, Schema.Unknown))

const Document = Schema.Struct({
  name: Schema.String,
  version: Schema.String,
  dependencies: Schema.optionalKey(Schema.Unknown),
  devDependencies: Schema.optionalKey(Schema.Unknown),
  optionalDependencies: Schema.optionalKey(Schema.Unknown),
  peerDependencies: Schema.optionalKey(Schema.Unknown),
  peerDependenciesMeta: Schema.optionalKey(Schema.Unknown),
  deprecated: Schema.optionalKey(Schema.Unknown),
  dist: Schema.Struct({
    tarball: Schema.String,
    integrity: Schema.optionalKey(Schema.String),
    signatures: Schema.optionalKey(
      Schema.Array(Schema.Struct({ keyid: Schema.String, sig: Schema.String })).check(
        Schema.isMaxLength(SIGNATURES_MAX)
      )
    ),
    unpackedSize: Schema.optionalKey(Schema.Unknown)
  })
})
const decodeDocument = Schema.decodeUnknownEffect(Document)

const field = (value: unknown, name: string): unknown =>
  Predicate.hasProperty(value, name) && Object.hasOwn(value, name) ? value[name] : undefined

/** npm says why, as a text; an empty one, or `false`, takes it back. */
const deprecationOf = (value: unknown): string =>
  typeof value === "string" ? value : value === true ? "it is deprecated" : ""

/** Old packages have dependencies in forms that nobody reads any more: npm passes over them, too. */
const wishesOf = (document: typeof Document.Type): Wishes => {
  const texts = (name: "dependencies" | "optionalDependencies" | "peerDependencies") =>
    Option.match(textsOf(document[name]), { onNone: () => ({}), onSome: (found) => ({ [name]: found }) })
  return {
    ...texts("dependencies"),
    ...texts("optionalDependencies"),
    ...texts("peerDependencies"),
    ...Option.match(peersMetaOf(document.peerDependenciesMeta), {
      onNone: () => ({}),
      onSome: (peerDependenciesMeta) => ({ peerDependenciesMeta })
    })
  }
}

const candidatesOf = (versions: { readonly [version: string]: unknown }): ReadonlyMap<string, Candidate> => {
  const candidates = new Map<string, Candidate>()
  for (const [version, document] of Object.entries(versions)) {
    if (!Version.isVersion(version)) continue
    const node = field(field(document, "engines"), "node")
    const isDeprecated = deprecationOf(field(document, "deprecated")) !== ""
    candidates.set(version, { version, isDeprecated, node: typeof node === "string" ? node : undefined })
  }
  return candidates
}

/** Reads what the registry gave under `name`; a document of another name is refused. */
export const parse = Effect.fnUntraced(function* (name: PackageName, json: unknown) {
  const refuse = (problem: string, label: string = name) => fail(new UnusablePackument({ package: label, problem }))
  if (field(json, "name") !== name) return yield* refuse("it is that of another package")
  const versions = dictionaryOf(field(json, "versions"))
  if (Option.isNone(versions)) return yield* refuse("it has no versions")
  const count = Object.keys(versions.value).length
  if (count > VERSIONS_MAX) return yield* refuse(`it has ${count} versions, over ${VERSIONS_MAX}`)
  const tags = Option.getOrElse(textsOf(field(json, "dist-tags")), () => ({}))
  const time = field(json, "time")

  const describe = Effect.fnUntraced(function* (version: Version.Version) {
    const label = `${name}@${version}`
    const document = yield* decodeDocument(field(versions.value, version)).pipe(
      Effect.mapError((error) => refuse(error.message.split("\n")[0]!, label))
    )
    if (document.name !== name || document.version !== version) {
      return yield* refuse(`it speaks of ${document.name}@${document.version}`, label)
    }
    const { dist } = document
    return {
      name,
      version,
      wishes: wishesOf(document),
      devDependencies: Option.getOrElse(textsOf(document.devDependencies), () => ({})),
      deprecated: deprecationOf(document.deprecated),
      tarball: dist.tarball,
      integrity: dist.integrity,
      signatures: dist.signatures ?? [],
      unpackedSize: Number.isSafeInteger(dist.unpackedSize) ? Number(dist.unpackedSize) : undefined
    } satisfies Described
  })

  return {
    name,
    tags: new Map(Object.entries(tags)),
    candidates: candidatesOf(versions.value),
    describe,
    publishedAt: (version) => {
      const text = field(time, version)
      const at = typeof text === "string" ? Date.parse(text) : Number.NaN
      return Number.isNaN(at) ? Option.none() : Option.some(at)
    }
  } satisfies Packument
})
