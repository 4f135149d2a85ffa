/** Where a user's keys, packages and memory of the network lie: `~/.libreseed` unless told otherwise. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"

export interface Home {
  readonly directory: string
  readonly keys: string
  /** Verified releases, a directory each. */
  readonly packages: string
  /** Releases as they are in projects, unpacked once for all of them, by content hash. */
  readonly files: string
  /** Releases that are still arriving. */
  readonly downloads: string
  /** Records that are kept alive. */
  readonly records: string
  /** Pages of trees that are kept alive. */
  readonly pages: string
  /** Proofs that a publisher signed two things for one version. */
  readonly proofs: string
  /** When which publisher was first seen under a name, a file for each name. */
  readonly observations: string
  /** Pins, trusted publishers and revocations. */
  readonly trust: string
  /** What failed its checks and is not fetched again for a while. */
  readonly blacklist: string
  /** How far each publication has come, a file each. */
  readonly publications: string
  /** What changes often and can be found out anew: a SQLite database. */
  readonly state: string
  /** An index of what is stored, which can be made anew from `packages`: a SQLite database. */
  readonly store: string
  /** Which projects have installed from here, a file each. */
  readonly projects: string
  /** DHT nodes remembered from last time. */
  readonly nodes: string
}

export const Home = Context.Service<Home>("@libreseed/protocol/runtime/Home")

export const layer = (directory: string): Layer.Layer<Home, never, Path.Path> =>
  Layer.effect(
    Home,
    Effect.map(Path.Path, (path) => {
      const root = path.resolve(directory)
      return {
        directory: root,
        keys: path.join(root, "keys"),
        packages: path.join(root, "packages"),
        files: path.join(root, "files"),
        downloads: path.join(root, "downloads"),
        records: path.join(root, "records"),
        pages: path.join(root, "pages"),
        proofs: path.join(root, "proofs"),
        observations: path.join(root, "observations"),
        trust: path.join(root, "trust.json"),
        blacklist: path.join(root, "blacklist.json"),
        publications: path.join(root, "publications"),
        state: path.join(root, "state.db"),
        store: path.join(root, "store.db"),
        projects: path.join(root, "projects"),
        nodes: path.join(root, "nodes.json")
      }
    })
  )
