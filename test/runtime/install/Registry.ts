/** A small registry on layers: packages written down in a test, published, and the ways to them that an install takes. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { KeyName, Keystore } from "../../../src/protocol/core/Keystore.ts"
import * as PackageSpec from "../../../src/protocol/core/PackageSpec.ts"
import type { Choice } from "../../../src/protocol/registry/DependencyGraph.ts"
import * as Resolve from "../../../src/protocol/registry/Resolve.ts"
import { fetchRelease } from "../../../src/protocol/swarm/FetchRelease.ts"
import { publishPackage } from "../../../src/protocol/swarm/PublishPackage.ts"
import * as LockedRelease from "../../../src/protocol/trust/LockedRelease.ts"
import { readPackage } from "../../../src/runtime/archive/ReadPackage.ts"
import * as InstallTree from "../../../src/runtime/install/InstallTree.ts"

/** A package's package.json, and its further files. `bin` files become executable as npm packs them. */
export interface Source {
  readonly json: { readonly name: string; readonly version: string; readonly [field: string]: unknown }
  readonly files?: Readonly<Record<string, string>>
}

const INDEX = "module.exports = require('./package.json')"

export const write = (root: string, { files, json }: Source): string => {
  const directory = Path.join(root, `source-${json.name.replace("/", "-")}-${json.version}`)
  for (const [path, content] of Object.entries({ "index.js": INDEX, ...files, "package.json": JSON.stringify(json) })) {
    Fs.mkdirSync(Path.dirname(Path.join(directory, path)), { recursive: true })
    Fs.writeFileSync(Path.join(directory, path), content)
  }
  return directory
}

/** Publishes packages in their order, with one key. */
export const publish = Effect.fnUntraced(function* (root: string, ...sources: ReadonlyArray<Source>) {
  const keystore = yield* Keystore
  const keyName = KeyName.make("publisher")
  const key = yield* keystore.load(keyName).pipe(Effect.catchTag("KeystoreError", () => keystore.create(keyName)))
  for (const source of sources) yield* publishPackage(key, yield* readPackage(write(root, source)))
})

/** `name@range` → spec. */
export const spec = (text: string): PackageSpec.PackageSpec => Result.getOrThrow(PackageSpec.parse(text))

export const remote = InstallTree.remote({
  resolve: (wanted: PackageSpec.PackageSpec) => Resolve.resolveByName(wanted),
  releaseOf: LockedRelease.find,
  fetch: (choice: Choice) => fetchRelease(choice, { timeout: "5 seconds" })
})

/** An install with the network at hand. */
export const install = (project: string, options: InstallTree.Options = {}) =>
  InstallTree.install(project, options, remote)

/** An install that may ask nobody. */
export const installOffline = (project: string, options: InstallTree.Options = {}) =>
  InstallTree.install<never, never>(project, options, undefined)

export const writeProject = (project: string, json: object): void =>
  Fs.writeFileSync(Path.join(project, "package.json"), `${JSON.stringify(json, null, 2)}\n`)

export const readText = (project: string, name: string): string => Fs.readFileSync(Path.join(project, name), "utf8")
