/** A registry of made-up packages for the tests of dependency trees: no network, only manifests. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PackageSpec from "../../../src/protocol/core/PackageSpec.ts"
import * as PublicKey from "../../../src/protocol/core/PublicKey.ts"
import * as Version from "../../../src/protocol/core/Version.ts"
import type * as DependencyGraph from "../../../src/protocol/registry/DependencyGraph.ts"
import type { Manifest } from "../../../src/protocol/registry/Manifest.ts"
import { NameNotFound, RegistryError, VersionNotFound } from "../../../src/protocol/registry/RegistryError.ts"
import * as Fixtures from "./Fixtures.ts"

export type Wishes = DependencyGraph.Wishes & Pick<Partial<Manifest>, "os" | "cpu">

/** `name@version` → what its manifest says. */
export type Packages = { readonly [id: string]: Wishes }

const PUBLISHER = Option.getOrThrow(PublicKey.parse("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"))

/** SHA-512 of nothing that exists; the tests compare, they do not hash. */
const integrity = (id: string): string => `sha512-${Buffer.alloc(64, id).toString("base64")}`

export const split = (id: string): readonly [string, string] => {
  const at = id.lastIndexOf("@")
  return [id.slice(0, at), id.slice(at + 1)]
}

export const choiceOf = (id: string, content = ""): DependencyGraph.Choice => {
  const [name, version] = split(id)
  return { publisher: PUBLISHER, release: Fixtures.release(name, version, { content }) }
}

export const manifestOf = (id: string, wishes: Wishes): Manifest => {
  const [name, version] = split(id)
  return {
    protocol: "libreseed/1",
    name: Fixtures.name(name),
    version: Fixtures.version(version),
    publisher: PublicKey.toBase64(PUBLISHER),
    tarball: { sha256: "0".repeat(64), sha512: integrity(id), size: 1 },
    files: {},
    contentHash: "0".repeat(64),
    createdAt: "2026-01-01T00:00:00.000Z",
    ...wishes
  }
}

export interface Counted {
  resolved: number
  described: number
}

export const source = (packages: Packages, counted: Counted = { resolved: 0, described: 0 }) =>
  ({
    resolve: ({ name, range }: PackageSpec.PackageSpec) => {
      counted.resolved++
      const versions = Object.keys(packages).flatMap((id) =>
        split(id)[0] === name ? [Version.Version.make(split(id)[1])] : []
      )
      if (versions.length === 0) return fail(new NameNotFound({ package: name }))
      const best = Version.maxSatisfying(versions, Version.Range.make(range))
      if (Option.isSome(best)) return Effect.succeed(choiceOf(`${name}@${best.value}`))
      const publisher = PublicKey.toBase64(PUBLISHER)
      return fail(new VersionNotFound({ package: name, range, publisher, available: versions, unlisted: 0 }))
    },
    manifestOf: ({ release }: DependencyGraph.Choice) => {
      counted.described++
      const id = `${release.n}@${release.v}`
      return Effect.succeed(manifestOf(id, packages[id]!))
    }
  }) satisfies DependencyGraph.Source<RegistryError, never>

const fail = (reason: RegistryError["reason"]) => Effect.fail(new RegistryError({ reason }))
