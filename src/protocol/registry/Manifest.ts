/**
 * manifest.json: what a person or a tool wants to know of a release before unpacking it, in
 * canonical JSON (RFC 8785).
 *
 * It lies beside the tarball in the release's torrent. It needs no signature of its own: the release
 * record signs its hash. `contentHash` names the unpacked files independently of how they were packed.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as CanonicalJson from "../core/CanonicalJson.ts"
import { sha256 } from "../core/Digest.ts"
import { ExitCode } from "../core/Errors.ts"
import { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import { Version } from "../core/Version.ts"
import * as Release from "./Release.ts"

export const PROTOCOL = "libreseed/1"

const Sha256Hex = Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/))
const Size = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const Texts = Schema.Record(Schema.String, Schema.String)

export const File = Schema.Struct({
  sha256: Sha256Hex,
  /** Bytes. */
  size: Size,
  mode: Schema.Literals(["0644", "0755"])
})

export type File = typeof File.Type

/** What package.json says and users of a manifest need; everything else stays in the tarball. */
export const Metadata = {
  dependencies: Schema.optionalKey(Texts),
  optionalDependencies: Schema.optionalKey(Texts),
  peerDependencies: Schema.optionalKey(Texts),
  peerDependenciesMeta: Schema.optionalKey(
    Schema.Record(Schema.String, Schema.Struct({ optional: Schema.optionalKey(Schema.Boolean) }))
  ),
  os: Schema.optionalKey(Schema.Array(Schema.String)),
  cpu: Schema.optionalKey(Schema.Array(Schema.String)),
  bin: Schema.optionalKey(Texts),
  engines: Schema.optionalKey(Texts),
  license: Schema.optionalKey(Schema.String),
  description: Schema.optionalKey(Schema.String),
  repository: Schema.optionalKey(Schema.String)
}

export const Manifest = Schema.Struct({
  protocol: Schema.Literal(PROTOCOL),
  name: PackageName,
  version: Version,
  /** Base64. */
  publisher: PublicKey.Base64Text,
  tarball: Schema.Struct({
    sha256: Sha256Hex,
    /** Subresource integrity as npm writes it: `sha512-` + base64. */
    sha512: Schema.String.check(Schema.isPattern(/^sha512-[A-Za-z0-9+/]{86}==$/)),
    size: Size
  }),
  /** By path inside the package, with `/` between its parts. */
  files: Schema.Record(Schema.String, File),
  contentHash: Sha256Hex,
  /** ISO 8601, UTC. The same instant as the release record's `t`. */
  createdAt: Schema.String,
  ...Metadata
})

export type Manifest = typeof Manifest.Type

/** The manifest does not belong to the release, or contradicts itself. */
export class InvalidManifest extends Schema.TaggedError<InvalidManifest>()("InvalidManifest", {
  package: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "Nothing was installed. Tell the publisher, or choose another version or publisher."
  override get message() {
    return `The manifest of ${this.package} is not valid: ${this.problem}`
  }
}

const encoder = new TextEncoder()

/**
 * SHA-256 (hex) over the files in the order of their path bytes: for each one path, mode and
 * SHA-256, every field with its length in four big-endian bytes before it.
 */
export const contentHash = (files: Manifest["files"]): string => {
  const fields = Object.entries(files)
    .map(([path, file]) => ({ path: encoder.encode(path), file }))
    .toSorted((self, that) => Bytes.Order(self.path, that.path))
    .flatMap(({ file, path }) => [
      path,
      encoder.encode(file.mode),
      Option.getOrThrow(Option.getSuccess(Hex.decode(file.sha256)))
    ])
  const out = new Uint8Array(fields.reduce((sum, field) => sum + 4 + field.length, 0))
  const view = new DataView(out.buffer)
  let at = 0
  for (const field of fields) {
    view.setUint32(at, field.length)
    out.set(field, at + 4)
    at += 4 + field.length
  }
  return Hex.encode(sha256(out))
}

/** Canonical JSON. Fails where a text in it is not well-formed Unicode. */
export const toBytes = (manifest: Manifest): Effect.Effect<Uint8Array, InvalidManifest> =>
  Effect.fromResult(CanonicalJson.encode(manifest)).pipe(
    Effect.mapError(
      (error) => new InvalidManifest({ package: `${manifest.name}@${manifest.version}`, problem: error.message })
    )
  )

const decode = Schema.decodeUnknownEffect(Manifest)

/**
 * Reads manifest.json as the release record describes it: the hash that the record signs, then
 * canonical form, then that name, version, publisher, tarball and content hash all agree.
 */
export const verify = Effect.fnUntraced(function* (
  bytes: Uint8Array,
  release: Release.Release,
  publisher: PublicKey.PublicKey
) {
  const refuse = (problem: string) => new InvalidManifest({ package: `${release.n}@${release.v}`, problem })
  if (bytes.length !== release.s[0]) return yield* refuse("its length is not the one signed by the publisher")
  if (Hex.encode(sha256(bytes)) !== Hex.encode(release.m)) {
    return yield* refuse("its hash is not the one signed by the publisher")
  }
  const json = yield* Effect.fromResult(
    CanonicalJson.decodeCanonical(bytes, { maxBytes: Release.MANIFEST_MAX_BYTES })
  ).pipe(Effect.mapError((error) => refuse(error.message)))
  const manifest = yield* decode(json).pipe(Effect.mapError((error) => refuse(error.message.split("\n")[0]!)))
  if (manifest.name !== release.n || manifest.version !== release.v)
    return yield* refuse("it is that of another release")
  if (manifest.publisher !== PublicKey.toBase64(publisher)) return yield* refuse("it names another publisher")
  if (manifest.tarball.sha256 !== Hex.encode(release.h) || manifest.tarball.size !== release.s[1]) {
    return yield* refuse("it describes another tarball")
  }
  if (contentHash(manifest.files) !== manifest.contentHash) return yield* refuse("its content hash does not hold")
  return manifest
})
