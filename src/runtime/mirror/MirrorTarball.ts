/**
 * A version's tarball, from the registry or from what an earlier run has stored, checked in every way
 * there is before anything of it is published: signature, integrity, archive, and that its package.json
 * is that of the package. What its users depend on is read from there, and not from the registry.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { PublicKey } from "../../protocol/core/PublicKey.ts"
import * as Manifest from "../../protocol/registry/Manifest.ts"
import { PackageStore, type StoredRelease } from "../../protocol/swarm/PackageStore.ts"
import type { PackedPackage } from "../../protocol/swarm/PublishPackage.ts"
import { readTarball } from "../archive/ReadPackage.ts"
import * as Integrity from "./Integrity.ts"
import { ChangedInRegistry, fail, UnusableTarball } from "./MirrorError.ts"
import type { MirrorSource, Picked } from "./MirrorSource.ts"
import type { RegistryClient } from "./RegistryClient.ts"
import * as RegistryKeys from "./RegistryKeys.ts"

export interface Registry {
  readonly client: RegistryClient
  readonly source: MirrorSource
  readonly keys: RegistryKeys.RegistryKeys
}

/** The tarball's bytes, as the registry has signed and hashed them. */
export const fetch = Effect.fn("MirrorTarball.fetch")(function* ({ client, keys, source }: Registry, picked: Picked) {
  yield* RegistryKeys.check(keys, picked, source.publishedAt(picked))
  // A hash that will not do is told before anything is fetched.
  yield* Integrity.accepted(picked.id, picked.integrity)
  const bytes = yield* client.tarball(picked.tarball)
  yield* Integrity.check(picked.id, bytes, picked.integrity)
  return bytes
})

/** The version's release in the own store with its manifest; `None` where there is none, or one that was damaged. */
export const stored = Effect.fn("MirrorTarball.stored")(function* (publisher: PublicKey, picked: Picked) {
  const store = yield* PackageStore
  const found = yield* store.find(publisher, picked.name, picked.version)
  if (Option.isNone(found)) return Option.none<StoredRelease & { readonly manifest: Manifest.Manifest }>()
  const { publisher: _, release, torrent } = found.value
  const manifest = yield* Effect.scoped(
    Effect.gen(function* () {
      const content = yield* store.open(found.value)
      const bytes = yield* content.read(torrent.manifest.offset, torrent.manifest.length)
      return yield* Manifest.verify(bytes, release, publisher)
    })
  ).pipe(Effect.option)
  if (Option.isNone(manifest)) return Option.none()
  const published = manifest.value.tarball.sha512
  const expected = yield* Integrity.accepted(picked.id, picked.integrity)
  if (!expected.includes(published)) {
    return yield* fail(new ChangedInRegistry({ package: picked.id, published, found: expected.join(" ") }))
  }
  return Option.some({ ...found.value, manifest: manifest.value })
})

const storedBytes = ({ torrent, ...rest }: StoredRelease, integrity: string | undefined) =>
  Effect.gen(function* () {
    const store = yield* PackageStore
    const content = yield* store.open({ ...rest, torrent })
    const bytes = yield* content.read(torrent.tarball.offset, torrent.tarball.length)
    yield* Integrity.check(torrent.name, bytes, integrity)
    return bytes
  }).pipe(Effect.scoped, Effect.option)

/** Ready to be published. What `known` has is not fetched again. */
export const read = Effect.fn("MirrorTarball.read")(function* (
  registry: Registry,
  picked: Picked,
  known: Option.Option<StoredRelease>
) {
  const kept = Option.isSome(known) ? yield* storedBytes(known.value, picked.integrity) : Option.none()
  const bytes = Option.isSome(kept) ? kept.value : yield* fetch(registry, picked)
  const refuse = (problem: string) => fail(new UnusableTarball({ package: picked.id, problem }))
  const packed = yield* readTarball(picked.id, picked.tarball, bytes).pipe(
    Effect.mapError(({ problem }) => refuse(problem))
  )
  if (packed.name !== picked.name || packed.version !== picked.version) {
    return yield* refuse(`its package.json is that of ${packed.name}@${packed.version}`)
  }
  return packed satisfies PackedPackage
})
