import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as LockFile from "../../../src/protocol/registry/LockFile.ts"
import { NoPeers, SwarmError } from "../../../src/protocol/swarm/SwarmError.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import * as Launch from "../../../src/runtime/modules/Launch.ts"
import * as LockedModules from "../../../src/runtime/modules/LockedModules.ts"
import * as LockedReleases from "../../../src/runtime/modules/LockedReleases.ts"
import * as MissingReleases from "../../../src/runtime/modules/MissingReleases.ts"
import * as Lookup from "../../../src/runtime/modules/Lookup.ts"
import { test } from "../install/Project.ts"
import * as Registry from "../install/Registry.ts"

const PLATFORM = { os: "linux", cpu: "x64" }

const over = (name: string, peer: string): Registry.Source => ({
  json: { name, version: "1.0.0", dependencies: { mid: "1.0.0", peer } },
  files: { "index.js": "module.exports = require('mid')" }
})

const single: Registry.Source = { json: { name: "single", version: "1.0.0" } }

/** One release beside two peers, and one for other systems. */
const shared: ReadonlyArray<Registry.Source> = [
  { json: { name: "peer", version: "1.0.0" }, files: { "index.js": "module.exports = 'peer 1'" } },
  { json: { name: "peer", version: "2.0.0" }, files: { "index.js": "module.exports = 'peer 2'" } },
  {
    json: { name: "mid", version: "1.0.0", peerDependencies: { peer: "*" } },
    files: { "index.js": "module.exports = `mid over ${require('peer')}`" }
  },
  over("left", "1.0.0"),
  over("right", "2.0.0"),
  { json: { name: "elsewhere", version: "1.0.0", os: ["aix"] } }
]

/** Published, locked and installed; then the project forgets its node_modules. */
const locked = Effect.fnUntraced(function* (
  { project, root }: { readonly project: string; readonly root: string },
  wishes: object,
  sources: ReadonlyArray<Registry.Source>
) {
  const { directory: home, files } = yield* Home
  yield* Registry.publish(root, ...sources)
  Registry.writeProject(project, wishes)
  yield* Registry.install(project)
  Fs.rmSync(Path.join(project, "node_modules"), { recursive: true })
  const location = Path.join(project, LockFile.FILE_NAME)
  const lock = yield* LockFile.parse(Fs.readFileSync(location, "utf8"))
  return { home, files, location, lock, modules: LockedModules.read(location) }
})

const outputOf = (project: string, home: string, expression: string): string =>
  ChildProcess.execFileSync(process.execPath, ["-p", expression], {
    cwd: project,
    encoding: "utf8",
    env: Launch.environmentOf({ home, lock: Path.join(project, LockFile.FILE_NAME) }, Launch.registerFile())
  }).trim()

const BOTH = "[require('left'), require('right')].join()"

describe("LockedReleases", () => {
  test("makes of a lock file what programs run on, from the package store alone, and anew what was written to", (world) =>
    Effect.gen(function* () {
      const { project } = world
      const wishes = { dependencies: { left: "1", right: "1" }, optionalDependencies: { elsewhere: "1" } }
      const { files, home, location, lock, modules } = yield* locked(world, wishes, shared)
      const text = Fs.readFileSync(location, "utf8")
      Fs.rmSync(files, { recursive: true })
      const absent = MissingReleases.missing(home, modules)
      assert.sameMembers([...absent], Object.keys(lock.packages))
      const { left, made } = yield* LockedReleases.ensure<never, never>(lock, absent, undefined, PLATFORM)
      assert.deepStrictEqual([...left.keys()], ["elsewhere@1.0.0"])
      assert.lengthOf(made, absent.length - 1)
      assert.deepStrictEqual(MissingReleases.missing(home, modules), ["elsewhere@1.0.0"])
      assert.strictEqual(outputOf(project, home, BOTH), "mid over peer 1,mid over peer 2")

      const lookup = Lookup.open({ lock: location, home })
      const [first, second] = ["left", "right"].map((name) =>
        lookup.lookup("mid", lookup.lookup(name, Path.join(project, "app.js"))!)
      )
      assert.notStrictEqual(first, second)
      Fs.writeFileSync(second!, "module.exports = 'changed by somebody'")
      const changed = MissingReleases.missing(home, modules)
      assert.lengthOf(
        changed.filter((id) => id.startsWith("mid@1.0.0")),
        2
      )
      yield* LockedReleases.ensure<never, never>(lock, changed, undefined, PLATFORM)
      assert.deepStrictEqual(MissingReleases.missing(home, modules), ["elsewhere@1.0.0"])
      assert.strictEqual(outputOf(project, home, BOTH), "mid over peer 1,mid over peer 2")
      assert.strictEqual(Fs.readFileSync(location, "utf8"), text)
      assert.isFalse(Fs.existsSync(Path.join(project, "node_modules")))
    }))

  test("asks the network for what the store has not, where it may", (world) =>
    Effect.gen(function* () {
      const { files, home, lock, modules } = yield* locked(world, { dependencies: { single: "1" } }, [single])
      Fs.rmSync(files, { recursive: true })
      Fs.rmSync(Path.join(home, "packages"), { recursive: true })
      const absent = MissingReleases.missing(home, modules)
      const error = yield* Effect.flip(LockedReleases.ensure<never, never>(lock, absent, undefined, PLATFORM))
      assert.strictEqual(error._tag, "NeedsNetwork")
      const asked: Array<string> = []
      const ways = LockedReleases.remote({
        releaseOf: Registry.remote.releaseOf,
        fetch: ({ release }) => {
          asked.push(`${release.n}@${release.v}`)
          return Effect.fail(new SwarmError({ reason: new NoPeers({ infohash: "00", waitedMs: 1 }) }))
        }
      })
      const failure = yield* Effect.flip(LockedReleases.ensure(lock, absent, ways, PLATFORM))
      assert.strictEqual(failure._tag, "SwarmError")
      assert.deepStrictEqual(asked, ["single@1.0.0"])
    }))

  test("refuses a lock whose integrity is not what the publisher signed", (world) =>
    Effect.gen(function* () {
      const { home, location, lock } = yield* locked(world, { dependencies: { single: "1" } }, [single])
      const [id = ""] = Object.keys(lock.packages)
      const integrity = `sha512-${"A".repeat(86)}==`
      const forged: LockFile.LockFile = { ...lock, packages: { [id]: { ...lock.packages[id]!, integrity } } }
      Fs.writeFileSync(location, LockFile.toText(forged))
      const absent = MissingReleases.missing(home, LockedModules.read(location))
      assert.deepStrictEqual(absent, [id])
      const error = yield* Effect.flip(LockedReleases.ensure<never, never>(forged, absent, undefined, PLATFORM))
      assert.strictEqual(error._tag === "DependencyError" ? error.reason._tag : error._tag, "LockMismatch")
    }))
})
