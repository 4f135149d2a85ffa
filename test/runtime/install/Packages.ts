/** Packages to install, published and fetched as a user has them, and what a directory looks like with them. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import { KeyName, Keystore } from "../../../src/protocol/core/Keystore.ts"
import * as Resolve from "../../../src/protocol/registry/Resolve.ts"
import { fetchRelease } from "../../../src/protocol/swarm/FetchRelease.ts"
import { type PackedPackage, publishPackage } from "../../../src/protocol/swarm/PublishPackage.ts"
import { readPackage } from "../../../src/runtime/archive/ReadPackage.ts"
import * as Fixtures from "../../protocol/registry/Fixtures.ts"

/** Everything below a directory: path → content. */
export const tree = (root: string): ReadonlyMap<string, string> =>
  new Map(
    Fs.readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => Path.join(entry.parentPath, entry.name))
      .map((path): [string, string] => [Path.relative(root, path), Fs.readFileSync(path, "base64")])
  )

/** What a project sees of `node_modules`: everything in the packages that it has links to, and the names of commands. */
export const visible = (modules: string): ReadonlyMap<string, string> => {
  const names = Fs.existsSync(modules) ? Fs.readdirSync(modules).filter((name) => !name.startsWith(".")) : []
  const all = names.flatMap((name) =>
    name.startsWith("@") ? Fs.readdirSync(Path.join(modules, name)).map((inner) => `${name}/${inner}`) : [name]
  )
  return new Map(
    all
      .toSorted()
      .flatMap((name) =>
        [...tree(Fs.realpathSync(Path.join(modules, name)))]
          .map(([path, content]): [string, string] => [`${name}/${path}`, content])
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
      )
  )
}

/** A package's sources, in a directory of their own. */
export const writePackage = (root: string, name: string, version: string, files: Readonly<Record<string, string>>) => {
  const directory = Path.join(root, `source-${name.replace("/", "-")}-${version}`)
  Fs.mkdirSync(directory, { recursive: true })
  const all = { "package.json": JSON.stringify({ name, version }), ...files }
  for (const [path, content] of Object.entries(all)) {
    Fs.mkdirSync(Path.dirname(Path.join(directory, path)), { recursive: true })
    Fs.writeFileSync(Path.join(directory, path), content)
  }
  return directory
}

/** Publishes and fetches, so that what comes out is exactly what a user has before installing. */
export const fetched = Effect.fnUntraced(function* (packed: PackedPackage) {
  const keystore = yield* Keystore
  const keyName = KeyName.make("publisher")
  const key = yield* keystore.load(keyName).pipe(Effect.catchTag("KeystoreError", () => keystore.create(keyName)))
  yield* publishPackage(key, packed)
  const resolution = yield* Resolve.resolveByName({ name: packed.name, range: Fixtures.range(packed.version) })
  return yield* fetchRelease(resolution, { timeout: "5 seconds" })
})

export const fetchedFrom = (directory: string) => Effect.flatMap(readPackage(directory), fetched)
